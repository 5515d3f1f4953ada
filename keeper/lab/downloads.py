"""Downloads by the package managers: shown while they run, kept in the user's cache folder."""

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT

from keeper.domain.errors import Fatal

_DEADLINE_S = 600
_SIGN_OF_LIFE_S = 5
_LAST_LINES = 5


def cache_folder() -> Path:
    """The keeper's folder for what can be downloaded again: `$XDG_CACHE_HOME/pyth-keeper`, else under `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path.home() / ".cache") / "pyth-keeper"


async def fill_once(home: Path, fill: Callable[[Path], Awaitable[None]]) -> None:
    """Make the folder `home` appear complete or not at all, whoever else is making it at the same time.

    `fill` fills another folder, which then takes the name. Raises Fatal where the disk does not allow it.
    """
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home.parent, ignore_cleanup_errors=True) as name:
            staging = Path(name)
            await fill(staging)
            _rename_unless_there(staging, home)
    except OSError as exc:
        raise Fatal(
            f"cannot fill {home} ({exc.strerror}): point XDG_CACHE_HOME at a folder that you may write"
        ) from exc


def _rename_unless_there(staging: Path, home: Path) -> None:
    try:
        staging.rename(home)
    except OSError:
        if not home.is_dir():
            raise


async def run_installer(
    command: Sequence[str | Path], *, task: str, remedy: str, folder: Path, announce: Callable[[str], None]
) -> str:
    """Run a package manager in `folder`; announces every line that it prints, and that it lives when it prints none.

    Returns its last lines; raises Fatal with them and the remedy when it fails or takes more than ten minutes.
    """
    announce(task)
    process = await asyncio.create_subprocess_exec(*command, cwd=folder, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT)
    assert process.stdout is not None
    lines: list[str] = []
    try:
        async with asyncio.timeout(_DEADLINE_S):
            await _relay(process.stdout, lines, task=task, announce=announce)
            code = await process.wait()
    except TimeoutError as exc:
        raise Fatal(f"{task}: not done after {_DEADLINE_S} s; {remedy}; {_last(lines)}") from exc
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if code != 0:
        raise Fatal(f"{task}: failed; {remedy}; {_last(lines)}")
    return _last(lines)


async def _relay(output: asyncio.StreamReader, lines: list[str], *, task: str, announce: Callable[[str], None]) -> None:
    while True:
        try:
            raw = await asyncio.wait_for(output.readline(), _SIGN_OF_LIFE_S)
        except TimeoutError:
            announce(f"{task}: still at it")
            continue
        if not raw:
            return
        line = raw.decode(errors="replace").rstrip()
        if line:
            lines.append(line)
            announce(line)


def _last(lines: Sequence[str]) -> str:
    return "its last words: " + " | ".join(lines[-_LAST_LINES:])
