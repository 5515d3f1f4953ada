import asyncio
import sys
from pathlib import Path

import pytest

from keeper.domain.errors import Fatal
from keeper.lab.downloads import cache_folder, fill_once, run_installer


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_keeps_downloads_in_the_users_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert cache_folder() == Path("/home/somebody/.cache/pyth-keeper")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert cache_folder() == Path("/caches/pyth-keeper")


async def test_makes_no_folder_when_filling_it_fails(tmp_path: Path) -> None:
    async def fill(folder: Path) -> None:
        (folder / "half").touch()
        raise Fatal("no network")

    with pytest.raises(Fatal, match="no network"):
        await fill_once(tmp_path / "made" / "home", fill)
    assert names_in(tmp_path / "made") == []


async def test_keeps_what_the_faster_of_two_has_filled(tmp_path: Path) -> None:
    home = tmp_path / "home"
    both_fill = asyncio.Barrier(2)

    async def fill(folder: Path) -> None:
        (folder / "file").write_text("whole")
        await both_fill.wait()

    await asyncio.gather(fill_once(home, fill), fill_once(home, fill))
    assert names_in(tmp_path) == ["home"]
    assert (home / "file").read_text() == "whole"


async def test_says_where_to_put_downloads_when_the_disk_refuses(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.touch()

    async def fill(_folder: Path) -> None:
        raise AssertionError("there is nothing to fill")

    with pytest.raises(Fatal, match="XDG_CACHE_HOME"):
        await fill_once(in_the_way / "home", fill)


async def install(script: str, told: list[str], folder: Path) -> str:
    command = [sys.executable, "-c", script]
    return await run_installer(command, task="fetching it", remedy="do that", folder=folder, announce=told.append)


async def test_announces_what_the_installer_prints(tmp_path: Path) -> None:
    told: list[str] = []
    script = "import os, sys; print(os.listdir()); print('', flush=True); print('half', file=sys.stderr)"
    (tmp_path / "there").touch()
    assert await install(script, told, tmp_path) == "its last words: ['there'] | half"
    assert told == ["fetching it", "['there']", "half"]


async def test_tells_why_the_installer_failed_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match=r"fetching it: failed; do that; its last words: no such thing"):
        await install("import sys; sys.exit('no such thing')", [], tmp_path)
