"""The manifests under k8s/, rendered by the kustomize that is in kubectl."""

import os
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import yaml

K8S = Path(__file__).parents[3] / "k8s"
OVERLAYS = sorted(folder.name for folder in (K8S / "overlays").iterdir())
PLAIN = "production"
"""The overlay that stands for all where they do not differ."""
BIN = Path(sys.executable).parent
_OLDER = {"autoscaling/v2": "autoscaling/v2beta2", "policy/v1": "policy/v1beta1"}
"""The same objects, as Kubernetes 1.20 calls them."""
_OF_OPERATORS = "monitoring.coreos.com/v1"
"""Kinds that an operator brings: left out."""
HOW_TO_INSTALL = "kubectl is not installed; enable with: make .venv/ops-installed"


@cache
def rendered(folder: Path) -> str:
    """What `kubectl apply -k FOLDER` would send."""
    command: list[str | Path] = [BIN / "kubectl", "kustomize", folder]
    done: subprocess.CompletedProcess[str] = subprocess.run(
        command, capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"]}
    )
    if done.returncode != 0:
        raise RuntimeError(f"kustomize refuses {folder}: {done.stderr}")
    return done.stdout


def objects(overlay: str) -> list[dict[str, Any]]:
    """Every object of an overlay."""
    return list(yaml.safe_load_all(rendered(K8S / "overlays" / overlay)))


def find(overlay: str, kind: str, name: str = "pyth-keeper") -> dict[str, Any]:
    """The one object of a kind and a name."""
    (found,) = (each for each in objects(overlay) if (each["kind"], each["metadata"]["name"]) == (kind, name))
    return found


def pod(overlay: str) -> dict[str, Any]:
    """What a pod of the keeper is made by."""
    spec: dict[str, Any] = find(overlay, "Deployment")["spec"]["template"]["spec"]
    return spec


def container(overlay: str) -> dict[str, Any]:
    """The keeper's."""
    (only,) = pod(overlay)["containers"]
    found: dict[str, Any] = only
    return found


def environment(overlay: str) -> dict[str, dict[str, Any]]:
    """Its environment variables, by name."""
    return {variable["name"]: variable for variable in container(overlay)["env"]}


def as_of_1_20(manifests: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same objects as Kubernetes 1.20 knows them, which is what the drills run on."""
    known = [each for each in manifests if each and each["apiVersion"] != _OF_OPERATORS]
    for each in known:
        each["apiVersion"] = _OLDER.get(each["apiVersion"], each["apiVersion"])
        if each["kind"] == "PodDisruptionBudget":
            each["spec"].pop("unhealthyPodEvictionPolicy")
        if each["kind"] == "Deployment":
            for spread in each["spec"]["template"]["spec"]["topologySpreadConstraints"]:
                spread.pop("matchLabelKeys")
            (container,) = each["spec"]["template"]["spec"]["containers"]
            container["lifecycle"]["preStop"] = {"exec": {"command": ["sleep", "5"]}}  # its own kind since 1.30
    return known
