"""Compose v2, as Debian builds it; no engine is needed to check files with it."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from keeper.lab.downloads import cache_folder
from tests.support.debian import unpack

REPOSITORY = Path(__file__).resolve().parents[2]
DEVNET = Path("config/devnet/devnet.env")
"""What a stack on a devnet of its own is set by."""
HOW_TO_INSTALL = "there is no compose v2; enable with: make image, on Debian"

_SUITE = "trixie"
_BINARY = cache_folder() / f"docker-compose-{_SUITE}"


def is_installed() -> bool:
    """Whether it was installed."""
    return _BINARY.is_file()


def install_compose() -> None:
    """Take it from Debian's stable release, whatever release this machine has."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        unpack("docker-compose", suite=_SUITE, folder=folder)
        _BINARY.parent.mkdir(parents=True, exist_ok=True)
        part = _BINARY.with_suffix(".part")
        shutil.copy(folder / "usr/libexec/docker/cli-plugins/docker-compose", part)
        part.rename(_BINARY)


def compose(
    *arguments: str, environ: Mapping[str, str], folder: Path = REPOSITORY, timeout_s: float = 60.0
) -> "subprocess.CompletedProcess[str]":
    """Run it in a folder, with nothing else in its environment."""
    command: Sequence[str | Path] = [_BINARY, *arguments]
    return subprocess.run(
        command,
        cwd=folder,
        env={"PATH": os.defpath, "HOME": str(Path.home()), **environ},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
