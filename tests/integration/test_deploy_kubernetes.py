"""`./deploy.sh k8s` and `verify` against a kubectl that answers as the test wants it to."""

import copy
import os
import pty
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.scripted_cluster import (
    ERROR_LINE,
    LIVE,
    PRODUCTION,
    RENDERED,
    SET,
    Cluster,
    manifests,
    scripted_cluster,
)

SERVER = "statefulset.apps/pyth-keeper-postgres"


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return scripted_cluster(tmp_path)


def test_checks_keeps_applies_waits_verifies_and_records(cluster: Cluster) -> None:
    done = cluster.deploy("k8s", "production", "--tag", "v2", DEPLOYED_BY="release bot")
    assert done.returncode == 0, done.stderr
    asked = cluster.programs.asked()
    steps = (
        "preflight.yaml",
        "manifests.yaml",
        "set.yaml",
        " apply ",
        "rollout status",
        "exec pod-1",
        "exec pod-2",
        "annotate",
    )
    order = [next(number for number, line in enumerate(asked) if step in line) for step in steps]
    assert order == sorted(order)
    assert not cluster.programs.asked("rollout undo")
    assert not cluster.programs.asked("delete configmap/pyth-keeper-config-old"), "a rollback needs it"
    record = cluster.audit()
    assert record["image"] == "registry.example.org:5000/team/pyth-keeper:v2"
    assert (record["action"], record["overlay"], record["revision"]) == ("rollout", "production", "8")
    assert (record["preflight"], record["verification"], record["rolledBack"]) == ("passed", "passed", "no")
    assert record["who"] == "releasebot", "only what is safe in a record"


def test_the_record_names_the_user_where_nobody_else_is_named(cluster: Cluster) -> None:
    cluster.deploy("k8s", "production")
    user, _, machine = cluster.audit()["who"].partition("@")
    assert user
    assert machine == os.uname().nodename


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("get namespace", "has no namespace pyth-keeper"),
        ("get secret", "there is no Secret pyth-keeper-secrets"),
        ("get configmaps,", "are not told"),
        ("get configmaps --selector", "earlier rollouts cannot be read"),
        ("create --filename .*preflight.yaml", "the Job cannot be made"),
        ("create --filename .*set.yaml", "cannot be kept for a rollback"),
        ("get pods", "the pods that run are not told"),
    ],
)
def test_changes_nothing_where_something_is_missing(cluster: Cluster, pattern: str, said: str) -> None:
    cluster.answer(pattern, code=1)
    done = cluster.deploy("k8s", "production")
    assert done.returncode == 3
    assert said in done.stderr
    assert "nothing was changed" in done.stderr
    assert not cluster.changed()


def test_changes_nothing_where_keeper_check_fails(cluster: Cluster) -> None:
    cluster.answer("get job/.*succeeded", "/1")
    cluster.answer("logs job/", "FAIL  account: no coins\n")
    done = cluster.deploy("k8s", "production")
    assert done.returncode == 3
    assert "FAIL  account: no coins" in done.stdout
    assert "keeper check failed" in done.stderr
    assert cluster.programs.asked("delete job/")
    assert not cluster.changed()
    assert cluster.audit()["preflight"] == "failed"


def test_changes_nothing_where_keeper_check_does_not_end_in_its_time(cluster: Cluster) -> None:
    cluster.answer("get job/.*succeeded", "/")
    done = cluster.deploy("k8s", "production", PREFLIGHT_TIMEOUT_S="1")
    assert done.returncode == 3
    assert "keeper check did not end within 1 s" in done.stderr
    assert not cluster.changed()


def test_changes_nothing_where_the_difference_cannot_be_told(cluster: Cluster) -> None:
    cluster.answer("diff", code=2)
    assert "kubectl diff has failed" in cluster.deploy("k8s", "production").stderr
    assert not cluster.changed()


def test_changes_nothing_where_there_would_be_no_pod_to_verify(cluster: Cluster) -> None:
    cluster.answer("get deployment/pyth-keeper .*replicas", "0")
    done = cluster.deploy("k8s", "production")
    assert done.returncode == 3
    assert "kubectl scale deployment/pyth-keeper --namespace pyth-keeper --replicas 2" in done.stderr
    assert not cluster.changed()
    cluster.answer("get pods", "")
    assert "is the Deployment scaled to 0?" in cluster.deploy("verify").stderr


@pytest.mark.parametrize("arguments", [("k8s", "production"), ("rollback", "production", SET)])
def test_tells_in_which_cluster_things_are_done(cluster: Cluster, arguments: tuple[str, ...]) -> None:
    cluster.answer("config current-context", "europe-1\n")
    assert "in namespace pyth-keeper of cluster europe-1" in cluster.deploy(*arguments).stderr
    cluster.answer("config current-context", code=1)
    assert "in namespace pyth-keeper of cluster without a name" in cluster.deploy(*arguments).stderr


def test_an_overlay_without_a_namespace_is_none(cluster: Cluster) -> None:
    kustomization = cluster.folder / "k8s" / "overlays" / "production" / "kustomization.yaml"
    kustomization.write_text(kustomization.read_text().replace("namespace:", "#"))
    done = cluster.deploy("status")
    assert done.returncode == 2
    assert "names no namespace" in done.stderr
    assert not cluster.programs.asked()


def test_stops_at_what_would_be_left_behind(cluster: Cluster) -> None:
    cluster.answer("get configmaps,.* --output name", f"{LIVE}statefulset.apps/pyth-keeper-postgres\n")
    done = cluster.deploy("k8s", "production")
    assert done.returncode == 3
    assert "statefulset.apps/pyth-keeper-postgres" in done.stderr
    assert not cluster.changed()


def test_deletes_what_is_left_behind_once_all_is_verified(cluster: Cluster) -> None:
    cluster.answer("get configmaps,.* --output name", f"{LIVE}statefulset.apps/pyth-keeper-postgres\n")
    done = cluster.deploy("k8s", "production", "--allow-deletions")
    assert done.returncode == 0, done.stderr
    asked = cluster.programs.asked()
    deleted = f"{PRODUCTION} delete statefulset.apps/pyth-keeper-postgres"
    assert asked.index(deleted) > next(number for number, line in enumerate(asked) if "exec pod-2" in line)


def test_no_overlay_means_production_only_where_somebody_says_so(cluster: Cluster) -> None:
    done = cluster.deploy("k8s")
    assert done.returncode == 2
    assert "this rolls out to production: name the overlay, or give --yes" in done.stderr
    assert not cluster.programs.asked()
    assert cluster.deploy("k8s", "--yes").returncode == 0
    assert cluster.audit()["overlay"] == "production"


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 2), ("\n", 2)])
def test_asks_on_a_terminal_before_it_rolls_out_to_production(cluster: Cluster, answer: str, code: int) -> None:
    keyboard, terminal = pty.openpty()
    os.write(keyboard, answer.encode())
    done = subprocess.run(
        [cluster.folder / "deploy.sh", "k8s"],
        env=cluster.environ(),
        stdin=terminal,
        capture_output=True,
        text=True,
        check=False,
    )
    os.close(keyboard)
    os.close(terminal)
    assert "this rolls out to production. Go on? [y/N]" in done.stderr
    assert done.returncode == code
    assert cluster.changed() is (code == 0)


def test_rolls_out_what_a_commit_knows_and_more_only_where_that_is_allowed(cluster: Cluster) -> None:
    assert cluster.deploy("k8s", "production").returncode == 0
    (cluster.folder / "k8s" / "another-file").touch()
    done = cluster.deploy("k8s", "production", "--tag", "v3")
    assert done.returncode == 2
    assert "changes that no commit knows" in done.stderr
    assert len(cluster.programs.asked(" apply ")) == 1
    assert cluster.deploy("k8s", "production", "--allow-dirty").returncode == 0
    assert cluster.audit()["commit"].endswith("-dirty")


def test_a_folder_of_which_no_commit_is_told_is_rolled_out_only_where_that_is_allowed(cluster: Cluster) -> None:
    shutil.rmtree(cluster.folder / ".git")
    done = cluster.deploy("k8s", "production")
    assert done.returncode == 2
    assert "git tells no commit of this folder" in done.stderr
    assert not cluster.programs.asked()
    assert cluster.deploy("k8s", "production", "--allow-dirty").returncode == 0
    assert cluster.audit()["commit"] == "unknown"


@pytest.mark.parametrize("command", ["build", "docker", "k8s", "status"])
def test_every_command_tells_the_usage(cluster: Cluster, command: str) -> None:
    done = cluster.deploy(command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: ")


def test_warns_of_a_tag_that_moves(cluster: Cluster) -> None:
    assert "the tag of" not in cluster.deploy("k8s", "production").stderr
    assert "pyth-keeper:latest moves" in cluster.deploy("k8s", "production", "--tag", "latest").stderr


def test_an_unknown_overlay_is_told_from_those_there_are(cluster: Cluster) -> None:
    done = cluster.deploy("k8s", "prod")
    assert done.returncode == 2
    assert "there is no overlay 'prod', but: dev production" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "environ", "said"),
    [
        (("k8s", "dev", "--fast"), {}, "does not know --fast"),
        (("k8s", "dev", "--tag"), {}, "--tag wants a value"),
        (("k8s", "dev", "--tag", "a b"), {}, "image ':a b' is none"),
        (("k8s", "dev"), {"ROLLOUT_TIMEOUT_S": "10m"}, "ROLLOUT_TIMEOUT_S='10m' is no whole number"),
        (("k8s", "dev"), {"ERRORS_ALLOWED": "1234567890"}, "of at most nine digits"),
        (("k8s", "dev", "staging"), {}, "one word too many: 'staging' after 'dev'"),
        (("k8s", "dev", "--tag", "v1", "--image", "keeper:v2"), {}, "one word too many: 'keeper:v2' after ':v1'"),
        (("k8s", "", "--yes"), {}, "an argument is empty"),
        (("rollback", "", "--yes"), {}, "an argument is empty"),
        (("rollback", "dev", "7", "6"), {}, "one word too many: '6' after '7'"),
        (("status", "staging", "foo"), {}, "one word too many: 'foo' after 'staging'"),
        (("status", "staging", "7"), {}, "one word too many: '7'"),
        (("verify", "staging", "7"), {}, "one word too many: '7'"),
        (("logs", "staging", "7"), {}, "one word too many: '7'"),
        (("deploy",), {}, "usage: "),
    ],
)
def test_wrong_usage_is_told_from_other_failures(
    cluster: Cluster, arguments: tuple[str, ...], environ: dict[str, str], said: str
) -> None:
    done = cluster.deploy(*arguments, **environ)
    assert done.returncode == 2
    assert said in done.stderr
    assert not cluster.programs.asked()


@pytest.mark.parametrize("command", ["k8s", "verify", "status", "rollback", "logs"])
def test_a_dry_run_asks_nobody_anything(cluster: Cluster, command: str) -> None:
    done = cluster.deploy(command, "staging", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "+ kubectl --namespace pyth-keeper-staging" in done.stdout
    assert not cluster.programs.asked()


def test_verify_fails_where_a_pod_fails(cluster: Cluster) -> None:
    cluster.answer("exec pod-2", "FAIL  network evm: nobody leads\n", code=1)
    done = cluster.deploy("verify", VERIFY_TIMEOUT_S="7")
    assert done.returncode == 6
    assert "nobody leads" in done.stderr
    assert cluster.programs.asked(
        "exec pod-1 --container pyth-keeper -- keeper verify --pid 1 --within 7 --leader pod-1 --leader pod-2"
    )


def test_a_few_errors_are_no_spike(cluster: Cluster) -> None:
    cluster.answer("logs pod-2", ERROR_LINE * 5)
    assert cluster.deploy("verify").returncode == 0
    cluster.answer("logs pod-2", ERROR_LINE * 6)
    done = cluster.deploy("verify")
    assert done.returncode == 6
    assert "pod-2 has logged 6 errors" in done.stderr
    assert cluster.deploy("verify", ERRORS_ALLOWED="6").returncode == 0
    assert cluster.deploy("verify", ERRORS_ALLOWED="08").returncode == 0


def preflight(*live: str, of: list[dict[str, Any]] = RENDERED) -> tuple[dict[str, Any], dict[str, Any]]:
    settings, job = yaml.safe_load_all(manifests("preflight", "pf", "170", *live, of=of))
    return settings, job


def test_the_preflight_runs_as_the_new_pods_would() -> None:
    settings, job = preflight("serviceaccount/pyth-keeper")
    assert settings["data"] == {"keeper.yaml": "chain_id: 8453\n"}
    assert job["spec"]["activeDeadlineSeconds"] == 170
    pod = job["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == "pyth-keeper"
    assert pod["volumes"] == [{"name": "config", "configMap": {"name": "pf"}}]
    (keeper,) = pod["containers"]
    assert keeper["args"] == ["check", "--config", "/etc/pyth-keeper/keeper.yaml"]
    assert "livenessProbe" not in keeper
    assert job["spec"]["template"]["metadata"]["labels"] == {"app": "pyth-keeper-preflight"}, "no traffic comes to it"


def test_the_first_preflight_needs_no_service_account() -> None:
    pod = preflight()[1]["spec"]["template"]["spec"]
    assert "serviceAccountName" not in pod
    assert {"name": "COORDINATION", "value": "none"} in pod["containers"][0]["env"]


@pytest.mark.parametrize(
    ("live", "journal"),
    [("deployment.apps/pyth-keeper", "sqlite:////tmp/preflight.db"), (SERVER, "postgresql://keeper@server/keeper")],
)
def test_the_preflight_needs_no_database_that_the_rollout_is_to_make(live: str, journal: str) -> None:
    rendered = copy.deepcopy(RENDERED)
    rendered.append({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "pyth-keeper-postgres"}})
    (keeper,) = rendered[2]["spec"]["template"]["spec"]["containers"]
    keeper["env"] += [
        {"name": "JOURNAL_URL", "value": "postgresql://keeper@server/keeper"},
        {"name": "JOURNAL_PASSWORD_FILE", "value": "/run/secrets/postgres-password"},
    ]
    (checked,) = preflight(live, of=rendered)[1]["spec"]["template"]["spec"]["containers"]
    assert {each["name"]: each["value"] for each in checked["env"]}["JOURNAL_URL"] == journal


def test_what_is_kept_for_a_rollback_is_all_of_it_but_secrets() -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}, "stringData": {"key": "hush"}}
    (kept,) = yaml.safe_load_all(manifests("keep", SET, of=[*RENDERED, secret]))
    assert kept["metadata"]["namespace"] == "pyth-keeper"
    assert list(yaml.safe_load_all(manifests("kept", of=[kept]))) == RENDERED
