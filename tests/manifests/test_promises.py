"""What others rely on: names, probes, limits, rights, and that a pod has the time to end in order."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from keeper.app.loading import load
from keeper.app.runtime import DRAIN_S
from tests.support.kube.api_server import LEASE_RULE
from tests.support.kube.manifests import K8S, OVERLAYS, PLAIN, container, environment, find, objects, pod

RELEASE_S = 5
"""What a keeper may need to give its Leases back, besides the drain."""
KEY = "1" * 64


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_is_called_pyth_keeper(overlay: str) -> None:
    deployment = find(overlay, "Deployment")
    assert deployment["spec"]["selector"]["matchLabels"] == {"app": "pyth-keeper"}
    assert deployment["spec"]["template"]["metadata"]["labels"]["app"] == "pyth-keeper"
    assert container(overlay)["name"] == "pyth-keeper"
    assert find(overlay, "Service")["spec"]["selector"] == {"app": "pyth-keeper"}
    assert pod(overlay)["serviceAccountName"] == find(overlay, "ServiceAccount")["metadata"]["name"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_all_objects_but_the_namespace_are_in_one_namespace(overlay: str) -> None:
    namespace, *others = objects(overlay)
    assert namespace["kind"] == "Namespace"
    assert {each["metadata"]["namespace"] for each in others} == {namespace["metadata"]["name"]}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_secret_is_shipped(overlay: str) -> None:
    assert "Secret" not in {each["kind"] for each in objects(overlay)}
    sources = [
        each["valueFrom"]["secretKeyRef"]
        for each in environment(overlay).values()
        if "valueFrom" in each and "secretKeyRef" in each["valueFrom"]
    ]
    assert {source["name"] for source in sources} == {"pyth-keeper-secrets"}
    assert all(source["optional"] for source in sources), "`private-key` alone is enough, and that is a file"


def test_the_secret_template_has_the_keys_that_the_manifests_name() -> None:
    template = yaml.safe_load((K8S / "examples" / "secret.yaml").read_text())
    assert template["metadata"]["name"] == "pyth-keeper-secrets"
    assert "private-key" in template["stringData"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_role_is_what_the_keeper_uses(overlay: str) -> None:
    assert find(overlay, "Role")["rules"] == [LEASE_RULE]
    assert find(overlay, "RoleBinding")["roleRef"]["name"] == "pyth-keeper"
    assert not {"ClusterRole", "ClusterRoleBinding"} & {each["kind"] for each in objects(overlay)}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_probes_and_resources(overlay: str) -> None:
    keeper = container(overlay)
    assert keeper["livenessProbe"]["httpGet"] == {"path": "/health/live", "port": "http"}
    assert keeper["readinessProbe"]["httpGet"] == {"path": "/health/ready", "port": "http"}
    assert keeper["resources"] == {
        "requests": {"cpu": "500m", "memory": "512Mi"},
        "limits": {"cpu": "1000m", "memory": "1Gi"},
    }


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_runs_as_an_ordinary_user_on_a_root_that_nobody_writes_to(overlay: str) -> None:
    assert container(overlay)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    context = pod(overlay)["securityContext"]
    assert (context["runAsUser"], context["runAsNonRoot"]) == (1001, True)
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_pod_may_drain_and_give_back_what_it_leads(overlay: str) -> None:
    unseen_s = container(overlay)["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod(overlay)["terminationGracePeriodSeconds"] > unseen_s + DRAIN_S + RELEASE_S


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_update_takes_no_pod_away_before_its_successor_is_ready(overlay: str) -> None:
    strategy = find(overlay, "Deployment")["spec"]["strategy"]["rollingUpdate"]
    assert strategy == {"maxSurge": 1, "maxUnavailable": 0}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_new_pods_have_to_stay_ready_and_are_spread_among_themselves(overlay: str) -> None:
    assert find(overlay, "Deployment")["spec"]["minReadySeconds"] == 10
    spread = [(each["topologyKey"], each["matchLabelKeys"]) for each in pod(overlay)["topologySpreadConstraints"]]
    assert spread == [
        ("kubernetes.io/hostname", ["pod-template-hash"]),
        ("topology.kubernetes.io/zone", ["pod-template-hash"]),
    ]


@pytest.mark.parametrize("overlay", [each for each in OVERLAYS if each != "dev"])
def test_a_node_can_always_be_drained(overlay: str) -> None:
    budget = find(overlay, "PodDisruptionBudget")["spec"]
    assert (budget["maxUnavailable"], budget["unhealthyPodEvictionPolicy"]) == (1, "AlwaysAllow")
    assert "minAvailable" not in budget


@pytest.mark.parametrize("overlay", [each for each in OVERLAYS if each != "dev"])
def test_scales_from_two_to_five_and_calmly(overlay: str) -> None:
    scaler = find(overlay, "HorizontalPodAutoscaler")["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 5)
    assert [metric["resource"]["name"] for metric in scaler["metrics"]] == ["cpu", "memory"]
    assert scaler["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 600
    assert "replicas" not in find(overlay, "Deployment")["spec"], "the autoscaler's are not undone by an update"


def test_development_is_one_pod() -> None:
    assert find("dev", "Deployment")["spec"]["replicas"] == 1
    assert not {"HorizontalPodAutoscaler", "PodDisruptionBudget"} & {each["kind"] for each in objects("dev")}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_keeper_takes_the_settings(overlay: str, tmp_path: Path) -> None:
    volumes = {volume["name"]: volume for volume in pod(overlay)["volumes"]}
    (config,) = (each for each in objects(overlay) if each["kind"] == "ConfigMap" and "keeper.yaml" in each["data"])
    assert volumes["config"]["configMap"]["name"] == config["metadata"]["name"], "new settings make new pods"
    (tmp_path / "keeper.yaml").write_text(config["data"]["keeper.yaml"])
    for name, text in {"private-key": KEY, "postgres-password": "secret"}.items():
        (tmp_path / name).write_text(text)
    plain = {name: each["value"] for name, each in environment(overlay).items() if "value" in each}
    here = {"/run/secrets/pyth-keeper/": f"{tmp_path}/", "/data/": f"{tmp_path}/"}
    environ = {name: _replaced(value, here) for name, value in plain.items()}
    environ["RPC_URL"] = "https://rpc.example.org"
    settings = load(config_file=tmp_path / "keeper.yaml", environ=environ, dotenv=None)
    (network,) = settings.networks
    assert network.feeds


def test_journals_are_each_pods_own_unless_there_is_a_server() -> None:
    assert environment(PLAIN)["JOURNAL_URL"]["value"].startswith("sqlite:")
    assert {"name": "journal", "emptyDir": {"sizeLimit": "1Gi"}} in pod(PLAIN)["volumes"]
    assert environment("production-postgres")["JOURNAL_URL"]["value"].startswith("postgresql:")
    assert "journal" not in {volume["name"] for volume in pod("production-postgres")["volumes"]}


def test_the_preflight_reaches_the_database_too() -> None:
    (rule,) = find("production-postgres", "NetworkPolicy", "pyth-keeper-postgres")["spec"]["ingress"]
    (selector,) = (each["podSelector"]["matchExpressions"] for each in rule["from"])
    assert selector == [{"key": "app", "operator": "In", "values": ["pyth-keeper", "pyth-keeper-preflight"]}]


def _replaced(text: str, by: Mapping[str, str]) -> str:
    for old, new in by.items():
        text = text.replace(old, new)
    return text
