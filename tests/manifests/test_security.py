"""trivy finds nothing grave in what kustomize makes of every overlay."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.kube.manifests import BIN, K8S, OVERLAYS, rendered

OPTIONS = ("--skip-check-update", "--skip-version-check", "--quiet", "--format=json", "--severity=HIGH,CRITICAL")


def findings(text: str, folder: Path) -> list[dict[str, Any]]:
    """What trivy has against these manifests."""
    (folder / "manifests.yaml").write_text(text)
    command: list[str | Path] = [BIN / "trivy", "config", *OPTIONS, f"--cache-dir={folder}", folder / "manifests.yaml"]
    results = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)["Results"]
    assert sum(result["MisconfSummary"]["Successes"] for result in results) > 20, "it has looked"
    return [finding for result in results for finding in result.get("Misconfigurations", [])]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_nothing_grave_is_found(overlay: str, tmp_path: Path) -> None:
    assert findings(rendered(K8S / "overlays" / overlay), tmp_path) == []


def test_a_writable_root_is_found(tmp_path: Path) -> None:
    safe = rendered(K8S / "overlays" / "production")
    unsafe = safe.replace("readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false")
    assert [found["ID"] for found in findings(unsafe, tmp_path)] == ["KSV-0014"]
