"""Packages of Debian, where they are ours to install."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

_ENTRY = """Types: deb
URIs: http://deb.debian.org/debian
Suites: {suite}
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""


def can_install() -> bool:
    """As root on Debian."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(*packages: str) -> bool:
    """Install packages without what they merely recommend; whether that has worked."""
    return _apt_get(["update"]) and _apt_get(["install", "--yes", "--no-install-recommends", *packages])


def unpack(package: str, *, suite: str, folder: Path) -> None:
    """Put the files of a package of any suite into a folder; the system's packages and sources stay as they are."""
    for name in ("sources", "lists/partial"):
        (folder / name).mkdir(parents=True)
    (folder / "sources" / "suite.sources").write_text(_ENTRY.format(suite=suite))
    view = [
        "-oDir::Etc::sourcelist=/dev/null",
        f"-oDir::Etc::sourceparts={folder / 'sources'}",
        f"-oDir::State::lists={folder / 'lists'}",
        "-oAPT::Sandbox::User=root",
    ]
    if not (_apt_get([*view, "update"]) and _apt_get([*view, "download", package], folder)):
        raise RuntimeError(f"apt-get does not bring {package} of {suite}")
    (archive,) = folder.glob("*.deb")
    subprocess.run(["dpkg", "--extract", archive, folder], check=True)


def _apt_get(arguments: Sequence[str], folder: Path | None = None) -> bool:
    environ = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "-qq", *arguments]
    return subprocess.run(command, cwd=folder, env=environ, stdout=subprocess.DEVNULL, check=False).returncode == 0
