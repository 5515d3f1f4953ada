"""In which order a release comes about."""

from typing import Any

import yaml

from tests.support.kube.manifests import K8S

WORKFLOW = K8S.parent / ".github" / "workflows" / "release.yml"


def steps() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(WORKFLOW.read_text())["jobs"]["release"]["steps"]
    return found


def using(what: str) -> int:
    """The number of the one step that uses this action."""
    (number,) = (number for number, step in enumerate(steps()) if step.get("uses", "").startswith(f"{what}@"))
    return number


def test_latest_moves_only_once_the_image_is_listed_and_attested() -> None:
    pushes = {number: step["run"] for number, step in enumerate(steps()) if "push" in step.get("run", "")}
    assert pushes
    for number, command in pushes.items():
        is_attested = number > max(using("anchore/sbom-action"), using("actions/attest-build-provenance"))
        assert is_attested is ("--without-latest" not in command)
    assert "--without-latest" not in pushes[max(pushes)], "it moves in the end"
    assert not any("continue-on-error" in step or "if" in step for step in steps()), "what fails ends the release"
