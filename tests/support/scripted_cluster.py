"""A project of its own, and a cluster that is nothing but a kubectl that answers as the test wants it to."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.scripted_program import ScriptedPrograms

REPOSITORY = Path(__file__).resolve().parents[2]
PRODUCTION = "kubectl --namespace pyth-keeper"
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
SET, SET_BEFORE = "pyth-keeper-set-20260102000000", "pyth-keeper-set-20260101000000"
"""What was rolled out last, as revision 7, and what before, as revision 6."""
NEWER, OLDER = "pyth-keeper-scaler", "pyth-keeper-budget"
"""Objects that only the one, and only the other of the two sets holds."""
ALL = f"{SET} verified 7 d7\n{SET_BEFORE} verified 6 d6\n"
LIVE = "configmap/pyth-keeper-config-old\ndeployment.apps/pyth-keeper\n"
POD_WELL = "ok    the keeper is well, and somebody leads\nok    network evm leads, and has pushed BTC/USD\n"
POD_STANDS_BY = "ok    the keeper is well, and somebody leads\nok    network evm stands by for pod-1_1f2e\n"
ERROR_LINE = '{"level": "error", "message": "push_failed"}\n'


@dataclass
class Cluster:
    """A project of its own, and the cluster that its kubectl tells of: all is well until the test says otherwise."""

    folder: Path
    programs: ScriptedPrograms

    def environ(self) -> dict[str, str]:
        """For deploy.sh."""
        return {"PATH": f"{self.programs.folder}{os.pathsep}{os.environ['PATH']}", "HOME": str(self.folder)}

    def deploy(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run it where nobody can be asked."""
        return subprocess.run(
            [self.folder / "deploy.sh", *arguments],
            env=self.environ() | environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def audit(self) -> dict[str, str]:
        """The last record."""
        *_, last = (self.folder / ".deploy" / "audit.jsonl").read_text().splitlines()
        record: dict[str, str] = json.loads(last)
        return record

    def applied(self) -> list[str]:
        """The files that were applied, by their names."""
        return [Path(line.rpartition("--filename ")[2]).name for line in self.programs.asked(" apply ")]

    def commit(self) -> None:
        """Make the project a repository with nothing changed in it."""
        git: list[str | Path] = ["git", "-C", self.folder, "-c", "user.name=test", "-c", "user.email=test@example.org"]
        for step in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message=one"]):
            subprocess.run([*git, *step], check=True)

    def answer(self, pattern: str, out: str = "", *, code: int = 0, times: int = -1) -> None:
        self.programs.answer(pattern, out, code=code, times=times)

    @staticmethod
    def kept(more: str) -> str:
        """A set that was rolled out, with one object more."""
        budget = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": more}}
        return manifests("keep", "any", of=[*RENDERED, budget])

    def changed(self) -> bool:
        """Whether anything but the preflight's own was written."""
        return bool(self.programs.asked(" apply ") or self.programs.asked("rollout undo"))


def scripted_cluster(home: Path) -> Cluster:
    """All is well until a test says otherwise."""
    folder = home / "project"
    for part in ("deploy", "k8s"):
        shutil.copytree(REPOSITORY / part, folder / part)
    for name in ("deploy.sh", "pyproject.toml", ".gitignore"):
        shutil.copy(REPOSITORY / name, folder)
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    programs = ScriptedPrograms(home / "bin")
    programs.provide("kubectl")
    built = Cluster(folder, programs)
    built.commit()
    built.answer("kubectl kustomize", yaml.safe_dump_all(RENDERED))
    built.answer(r"get deployment/pyth-keeper .*revision", "8")
    built.answer("get configmaps --selector pyth-keeper/set", ALL)
    for name, only in ((SET, NEWER), (SET_BEFORE, OLDER)):
        built.answer(f"get configmap {name}", built.kept(only))
    built.answer("get configmaps,.* --output name", LIVE)
    built.answer("get job/.*succeeded", "1/")
    built.answer("diff .*manifests.yaml", "+ image: v1\n", code=1)
    built.answer("get pods", "pod-1\npod-2\n")
    built.answer("exec pod-1", POD_WELL)
    built.answer("exec pod-2", POD_STANDS_BY)
    return built


def manifests(*arguments: str, of: Iterable[Mapping[str, Any]]) -> str:
    """What deploy/manifests.py makes of these."""
    command: list[str | Path] = [sys.executable, REPOSITORY / "deploy" / "manifests.py", *arguments]
    done = subprocess.run(command, input=yaml.safe_dump_all(of), capture_output=True, text=True, check=True)
    return done.stdout
