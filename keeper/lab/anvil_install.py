"""Where the Anvil binary comes from: PATH, else npm.

The download is pinned by `node/package-lock.json`: by hash where the lock holds one, else by version. On purpose the
lock asks for no version of Node: the binary needs none, and an old one would make npm skip it.
"""

import json
import platform
import shutil
from collections.abc import Callable
from pathlib import Path

from keeper.domain.errors import Fatal
from keeper.lab.downloads import cache_folder, fill_once, run_installer
from keeper.lab.npm import NODE_FOLDER, ensure_npm

_LOCK_FILES = ("package.json", "package-lock.json")
_NPM_INSTALL = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=http")
_REMEDY = "install Foundry, so that `anvil` is on PATH"
_PACKAGE_BY_PLATFORM = {
    ("Linux", "x86_64"): "@foundry-rs/anvil-linux-amd64",
    ("Linux", "aarch64"): "@foundry-rs/anvil-linux-arm64",
    ("Darwin", "x86_64"): "@foundry-rs/anvil-darwin-amd64",
    ("Darwin", "arm64"): "@foundry-rs/anvil-darwin-arm64",
}


async def ensure_anvil(*, announce: Callable[[str], None]) -> Path:
    """The path of the Anvil binary, after downloading it where there is none; `announce` hears of every step.

    Raises Fatal, saying what is missing and how to get it.
    """
    on_path = shutil.which("anvil")
    if on_path:
        return Path(on_path)
    package = anvil_package(platform.system(), platform.machine())
    version = _locked_version(package)
    home = cache_folder() / f"anvil-{version}"
    binary = Path("node_modules", package, "bin", "anvil")

    async def fill(folder: Path) -> None:
        npm = await ensure_npm(announce=announce)
        for name in _LOCK_FILES:
            shutil.copy(NODE_FOLDER / name, folder)
        task = f"downloading Anvil {version} (15 MB)"
        said = await run_installer([*npm, *_NPM_INSTALL], task=task, remedy=_REMEDY, folder=folder, announce=announce)
        if not (folder / binary).is_file():
            raise Fatal(f"npm brought no {package}: check the network, or {_REMEDY}; {said}")

    if not (home / binary).is_file():
        await fill_once(home, fill)
    return home / binary


def anvil_package(system: str, machine: str) -> str:
    """The npm package with the binary for a platform, as Python names it; raises Fatal where there is none."""
    try:
        return _PACKAGE_BY_PLATFORM[system, machine]
    except KeyError as exc:
        raise Fatal(f"there is no Anvil to download for {system} on {machine}: {_REMEDY}") from exc


def _locked_version(package: str) -> str:
    lock = json.loads((NODE_FOLDER / "package-lock.json").read_text())
    return str(lock["packages"][f"node_modules/{package}"]["version"])
