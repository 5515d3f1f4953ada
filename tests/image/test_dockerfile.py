"""What can be said of the Dockerfile without building it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.images import REPOSITORY

BIN = Path(sys.executable).parent
TRIVY = (
    "trivy", "config", "--skip-check-update", "--skip-version-check", "--quiet", "--format=json",
)  # fmt: skip


def trivy(folder: Path, cache: Path) -> list[str]:
    """What trivy finds in a folder's Dockerfile, grave or not."""
    command: list[str | Path] = [BIN / TRIVY[0], *TRIVY[1:], f"--cache-dir={cache}", folder / "Dockerfile"]
    (result,) = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)["Results"]
    assert result["MisconfSummary"]["Successes"] > 20, "it has looked"
    return [finding["ID"] for finding in result.get("Misconfigurations", [])]


def test_hadolint_has_nothing_to_say() -> None:
    done = subprocess.run([BIN / "hadolint", REPOSITORY / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_trivy_finds_nothing(tmp_path: Path) -> None:
    assert trivy(REPOSITORY, tmp_path) == []


def test_trivy_finds_a_container_of_root(tmp_path: Path) -> None:
    text = (REPOSITORY / "Dockerfile").read_text()
    (tmp_path / "Dockerfile").write_text(text.replace("USER 1001:1001", "USER root"))
    assert trivy(tmp_path, tmp_path) == ["DS-0002"]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_all_that_is_locked_has_a_wheel_for_alpine(machine: str, tmp_path: Path) -> None:
    platforms = [f"--platform=musllinux_1_{minor}_{machine}" for minor in (1, 2)]
    command: list[str | Path] = [
        sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--no-deps", "--require-hashes",
        "--only-binary=:all:", f"--target={tmp_path}", *platforms, "--python-version=3.13",
        "--requirement", REPOSITORY / "requirements" / "runtime.txt",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
