"""`./deploy.sh k8s` and its kin against a kubectl that answers as the test wants it to."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.scripted_program import ScriptedPrograms

REPOSITORY = Path(__file__).resolve().parents[2]
ENV = [{"name": "COORDINATION", "value": "kubernetes"}]
RENDERED: list[dict[str, Any]] = [
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "pyth-keeper"}},
    {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "pyth-keeper-config-new", "namespace": "pyth-keeper"},
        "data": {"keeper.yaml": "chain_id: 8453\n"},
    },
    {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "pyth-keeper", "namespace": "pyth-keeper"},
        "spec": {
            "template": {
                "spec": {
                    "serviceAccountName": "pyth-keeper",
                    "containers": [
                        {
                            "name": "pyth-keeper",
                            "image": "registry.example.org:5000/team/pyth-keeper:v1",
                            "args": ["run", "--config", "/etc/pyth-keeper/keeper.yaml"],
                            "env": ENV,
                            "livenessProbe": {"httpGet": {"path": "/health/live", "port": "http"}},
                        }
                    ],
                    "volumes": [{"name": "config", "configMap": {"name": "pyth-keeper-config-new"}}],
                }
            }
        },
    },
]
LIVE = "configmap/pyth-keeper-config-old\ndeployment.apps/pyth-keeper\n"
POD_WELL = "ok    the keeper is well, and somebody leads\nok    network evm leads, and has pushed BTC/USD\n"
POD_STANDS_BY = "ok    the keeper is well, and somebody leads\nok    network evm stands by for pod-1\n"
ERROR_LINE = '{"level": "error", "message": "push_failed"}\n'


@dataclass
class Cluster:
    """A project of its own, and the cluster that its kubectl tells of: all is well until the test says otherwise."""

    folder: Path
    programs: ScriptedPrograms

    def deploy(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        path = f"{self.programs.folder}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            [self.folder / "deploy.sh", *arguments],
            env={"PATH": path, "HOME": str(self.folder)},
            capture_output=True,
            text=True,
            check=False,
        )

    def audit(self) -> dict[str, str]:
        """The last record."""
        *_, last = (self.folder / ".deploy" / "audit.jsonl").read_text().splitlines()
        record: dict[str, str] = json.loads(last)
        return record

    def answer(self, pattern: str, out: str = "", *, code: int = 0, times: int = -1) -> None:
        self.programs.answer(pattern, out, code=code, times=times)

    def changed(self) -> bool:
        """Whether anything but the preflight's own was written."""
        return bool(self.programs.asked(" apply ") or self.programs.asked("rollout undo"))


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    folder = tmp_path / "project"
    for part in ("deploy", "k8s"):
        shutil.copytree(REPOSITORY / part, folder / part)
    for name in ("deploy.sh", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, folder)
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    programs = ScriptedPrograms(tmp_path / "bin")
    programs.provide("kubectl")
    built = Cluster(folder, programs)
    built.answer("kubectl kustomize", yaml.safe_dump_all(RENDERED))
    built.answer(r"get deployment/pyth-keeper .*revision", "8")
    built.answer(r"get deployment/pyth-keeper .*revision", "7", times=1)
    built.answer("get configmaps,.* --output name", LIVE)
    built.answer("get serviceaccount pyth-keeper", "serviceaccount/pyth-keeper")
    built.answer("get job/.*succeeded", "1/")
    built.answer("diff", "+ image: v1\n", code=1)
    built.answer("get pods", "pod-1\npod-2\n")
    built.answer("exec pod-1", POD_WELL)
    built.answer("exec pod-2", POD_STANDS_BY)
    return built


def test_checks_applies_waits_verifies_and_records(cluster: Cluster) -> None:
    done = cluster.deploy("k8s", "production", "--tag", "v2")
    assert done.returncode == 0, done.stderr
    asked = cluster.programs.asked()
    steps = ("create --filename", "diff", " apply ", "rollout status", "exec pod-1", "exec pod-2", "annotate")
    order = [next(number for number, line in enumerate(asked) if step in line) for step in steps]
    assert order == sorted(order)
    assert not cluster.programs.asked("rollout undo")
    assert not cluster.programs.asked("delete configmap/pyth-keeper-config-old"), "a rollback needs it"
    record = cluster.audit()
    assert record["image"] == "registry.example.org:5000/team/pyth-keeper:v2"
    assert (record["overlay"], record["revision"]) == ("production", "8")
    assert (record["preflight"], record["verification"], record["rolledBack"]) == ("passed", "passed", "no")


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("get namespace", "has no namespace pyth-keeper"),
        ("get secret", "there is no Secret pyth-keeper-secrets"),
        ("get configmaps,", "are not told"),
        ("create --filename", "the Job cannot be made"),
    ],
)
def test_changes_nothing_where_something_is_missing(cluster: Cluster, pattern: str, said: str) -> None:
    cluster.answer(pattern, code=1)
    done = cluster.deploy("k8s")
    assert done.returncode == 1
    assert said in done.stderr
    assert "nothing was changed" in done.stderr
    assert not cluster.changed()
    assert cluster.audit()["preflight"] == "failed"


def test_changes_nothing_where_keeper_check_fails(cluster: Cluster) -> None:
    cluster.answer("get job/.*succeeded", "/1")
    cluster.answer("logs job/", "FAIL  account: no coins\n")
    done = cluster.deploy("k8s")
    assert done.returncode == 1
    assert "FAIL  account: no coins" in done.stdout
    assert "keeper check failed" in done.stderr
    assert cluster.programs.asked("delete job/")
    assert not cluster.changed()


def test_changes_nothing_where_the_difference_cannot_be_told(cluster: Cluster) -> None:
    cluster.answer("diff", code=2)
    assert "kubectl diff has failed" in cluster.deploy("k8s").stderr
    assert not cluster.changed()


def test_stops_at_what_would_be_left_behind(cluster: Cluster) -> None:
    cluster.answer("get configmaps,.* --output name", f"{LIVE}statefulset.apps/pyth-keeper-postgres\n")
    done = cluster.deploy("k8s")
    assert done.returncode == 1
    assert "statefulset.apps/pyth-keeper-postgres" in done.stderr
    assert not cluster.changed()


def test_deletes_what_is_left_behind_once_all_is_verified(cluster: Cluster) -> None:
    cluster.answer("get configmaps,.* --output name", f"{LIVE}statefulset.apps/pyth-keeper-postgres\n")
    done = cluster.deploy("k8s", "--allow-deletions")
    assert done.returncode == 0, done.stderr
    asked = cluster.programs.asked()
    deleted = "kubectl --namespace pyth-keeper delete statefulset.apps/pyth-keeper-postgres"
    assert asked.index(deleted) > next(number for number, line in enumerate(asked) if "exec pod-2" in line)


@pytest.mark.parametrize(
    ("pattern", "out", "code", "said", "verification"),
    [
        (" apply ", "", 1, "kubectl apply has failed", "none"),
        ("rollout status .*10m", "", 1, "did not become ready", "none"),
        ("exec pod-1", "FAIL  network evm has failed to push\n", 1, "pod-1 does not do its work", "failed"),
        ("exec pod-1", POD_STANDS_BY, 0, "no pod leads", "failed"),
        ("logs pod-2", ERROR_LINE * 6, 0, "pod-2 has logged 6 errors", "failed"),
        ("logs pod-2", "", 1, "the log of pod-2 cannot be read", "failed"),
        ("get pods", "", 0, "there are no pods", "failed"),
    ],
)
def test_goes_back_where_the_rollout_fails(
    cluster: Cluster, pattern: str, out: str, code: int, said: str, verification: str
) -> None:
    cluster.answer(pattern, out, code=code, times=1)
    done = cluster.deploy("k8s")
    assert done.returncode == 1
    assert said in done.stderr
    assert cluster.programs.asked("rollout undo deployment/pyth-keeper --to-revision=7")
    record = cluster.audit()
    assert (record["preflight"], record["verification"], record["rolledBack"]) == ("passed", verification, "yes")


def test_a_few_errors_are_no_reason_to_go_back(cluster: Cluster) -> None:
    cluster.answer("logs pod-2", ERROR_LINE * 5)
    assert cluster.deploy("k8s").returncode == 0


def test_says_where_going_back_fails_as_well(cluster: Cluster) -> None:
    cluster.answer("rollout status", code=1)
    done = cluster.deploy("k8s")
    assert "rolled back: failed" in done.stderr
    assert cluster.audit()["rolledBack"] == "failed"


def test_what_it_went_back_to_is_verified_as_well(cluster: Cluster) -> None:
    cluster.answer("exec pod-1", "FAIL  network evm: nobody leads\n", code=1)
    done = cluster.deploy("k8s")
    assert cluster.programs.asked("rollout undo deployment/pyth-keeper --to-revision=7")
    assert "rolled back: failed" in done.stderr
    assert cluster.audit()["rolledBack"] == "failed"


def test_the_first_rollout_has_nothing_to_go_back_to(cluster: Cluster) -> None:
    cluster.answer(r"get deployment/pyth-keeper .*revision", "")
    cluster.answer("get serviceaccount pyth-keeper", "")
    cluster.answer("rollout status", code=1)
    done = cluster.deploy("k8s")
    assert done.returncode == 1
    assert "there is no earlier revision" in done.stderr
    assert not cluster.programs.asked("rollout undo")
    assert cluster.audit()["rolledBack"] == "no"


def test_an_unknown_overlay_is_told_from_those_there_are(cluster: Cluster) -> None:
    done = cluster.deploy("k8s", "prod")
    assert done.returncode == 1
    assert "there is no overlay 'prod', but: dev production" in done.stderr


@pytest.mark.parametrize("command", ["k8s", "verify", "status", "rollback", "logs"])
def test_a_dry_run_asks_nobody_anything(cluster: Cluster, command: str) -> None:
    done = cluster.deploy(command, "staging", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "+ kubectl --namespace pyth-keeper-staging" in done.stdout
    assert not cluster.programs.asked()


def test_rolls_back_to_a_revision_and_verifies_it(cluster: Cluster) -> None:
    done = cluster.deploy("rollback", "production", "3")
    assert done.returncode == 0, done.stderr
    assert cluster.programs.asked("rollout undo deployment/pyth-keeper --to-revision=3")
    assert cluster.programs.asked("exec pod-1")


def test_rolls_back_to_the_revision_before(cluster: Cluster) -> None:
    assert cluster.deploy("rollback").returncode == 0
    assert cluster.programs.asked("rollout undo") == [
        "kubectl --namespace pyth-keeper rollout undo deployment/pyth-keeper"
    ]


def test_verify_fails_where_a_pod_fails(cluster: Cluster) -> None:
    cluster.answer("exec pod-2", "FAIL  network evm: nobody leads\n", code=1)
    done = cluster.deploy("verify")
    assert done.returncode == 1
    assert "nobody leads" in done.stderr


def test_the_preflight_runs_as_the_new_pods_would() -> None:
    manifests: list[str | Path] = [REPOSITORY / "deploy" / "manifests.py", "preflight", "pf"]
    done = subprocess.run(
        [sys.executable, *manifests], input=yaml.safe_dump_all(RENDERED), capture_output=True, text=True, check=True
    )
    settings, job = yaml.safe_load_all(done.stdout)
    assert settings["data"] == {"keeper.yaml": "chain_id: 8453\n"}
    pod = job["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == "pyth-keeper"
    assert pod["volumes"] == [{"name": "config", "configMap": {"name": "pf"}}]
    (keeper,) = pod["containers"]
    assert keeper["args"] == ["check", "--config", "/etc/pyth-keeper/keeper.yaml"]
    assert "livenessProbe" not in keeper
    assert job["spec"]["template"]["metadata"]["labels"] == {"app": "pyth-keeper-preflight"}, "no traffic comes to it"


def test_the_first_preflight_needs_no_service_account(cluster: Cluster) -> None:
    cluster.answer("get serviceaccount pyth-keeper", "")
    assert cluster.deploy("k8s").returncode == 0
    manifests: list[str | Path] = [REPOSITORY / "deploy" / "manifests.py", "preflight", "pf", "first"]
    done = subprocess.run(
        [sys.executable, *manifests], input=yaml.safe_dump_all(RENDERED), capture_output=True, text=True, check=True
    )
    pod = list(yaml.safe_load_all(done.stdout))[1]["spec"]["template"]["spec"]
    assert "serviceAccountName" not in pod
    assert pod["containers"][0]["env"] == [{"name": "COORDINATION", "value": "none"}]
