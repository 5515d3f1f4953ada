"""A real API server takes every overlay, as far as it knows what is in it; the rights in it are those of a pod."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.kube.api_server import ApiError, KubeApiServer
from tests.support.kube.manifests import BIN, OVERLAYS, as_of_1_20, find, objects


def translated(overlay: str) -> list[dict[str, Any]]:
    """The objects of an overlay as Kubernetes 1.20 knows them."""
    return as_of_1_20(objects(overlay))


def apply(kube: KubeApiServer, overlay: str) -> list[str]:
    """`kubectl apply --server-side`, with all its checks; returns what it says, a line an object."""
    command: list[str | Path] = [
        BIN / "kubectl",
        "--kubeconfig",
        kube.kubeconfig(),
        "apply",
        "--server-side",
        "--filename=-",
    ]
    done = subprocess.run(
        command,
        input=yaml.safe_dump_all(translated(overlay)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_is_taken_and_makes_no_new_pods_the_second_time(kube: KubeApiServer, overlay: str) -> None:
    assert len(apply(kube, overlay)) == len(translated(overlay))
    first = generation(kube, overlay)
    apply(kube, overlay)
    assert generation(kube, overlay) == first


def generation(kube: KubeApiServer, overlay: str) -> int:
    """How often what the Deployment is to be has changed."""
    namespace = find(overlay, "Deployment")["metadata"]["namespace"]
    stored = kube.request("GET", f"/apis/apps/v1/namespaces/{namespace}/deployments/pyth-keeper")
    found: int = stored["metadata"]["generation"]
    return found


def test_a_mistake_in_a_manifest_is_refused(kube: KubeApiServer) -> None:
    kube.ensure("/api/v1/namespaces", find("dev", "Namespace", "pyth-keeper-dev"))
    deployment = find("dev", "Deployment")
    deployment["spec"]["template"]["spec"]["containers"][0]["ports"][0]["name"] = "not a name"
    with pytest.raises(ApiError, match="422"):
        kube.request("POST", "/apis/apps/v1/namespaces/pyth-keeper-dev/deployments?dryRun=All", deployment)


def test_a_pod_may_use_leases_in_its_own_namespace_and_nothing_else(kube: KubeApiServer) -> None:
    apply(kube, "staging")
    account = kube.pretend_pod("pyth-keeper-staging")
    leases = "/apis/coordination.k8s.io/v1/namespaces/{}/leases"
    own = leases.format("pyth-keeper-staging")
    made = kube.request("POST", own, {"metadata": {"name": "one"}}, token=account.token)
    kube.request("PUT", f"{own}/one", made | {"spec": {"holderIdentity": "me"}}, token=account.token)
    assert kube.request("GET", own, token=account.token)["items"]
    for method, path in (
        ("GET", f"{own}/one"),
        ("DELETE", f"{own}/one"),
        ("GET", leases.format("pyth-keeper")),
        ("GET", "/api/v1/namespaces/pyth-keeper-staging/secrets"),
        ("GET", "/api/v1/namespaces/pyth-keeper-staging/pods"),
    ):
        with pytest.raises(ApiError, match="403"):
            kube.request(method, path, token=account.token)
