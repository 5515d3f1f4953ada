"""The live page's files: served with a strict policy, not sent twice, and shipped with the package."""

import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from zipfile import ZipFile

import aiohttp
import pytest

from keeper.server import live_page
from keeper.server.app import Server
from keeper.server.streams.topics import PRIORITIES

HOST = "127.0.0.1"
ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "keeper" / "server" / "page"
FILES = sorted(file.name for file in FOLDER.iterdir())
UNSAFE = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(")


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with (
        Server(live_page.routes(), host=HOST, port=0) as server,
        aiohttp.ClientSession(f"http://{HOST}:{server.port}") as session,
    ):
        yield session


def paths() -> list[str]:
    return ["/", *(f"/page/{name}" for name in FILES if name != "index.html")]


@pytest.mark.parametrize("path", paths())
async def test_serves_each_file_with_a_policy_that_allows_nothing_of_others(
    client: aiohttp.ClientSession, path: str
) -> None:
    async with client.get(path) as response:
        assert response.status == 200
        assert await response.read() == (FOLDER / (path.rpartition("/")[2] or "index.html")).read_bytes()
        policy = response.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
        assert "unsafe" not in policy
        assert "http" not in policy
        assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/", "/page/page.js"])
async def test_does_not_send_again_what_a_browser_has(client: aiohttp.ClientSession, path: str) -> None:
    async with client.get(path) as first:
        etag = first.headers["ETag"]
    async with client.get(path, headers={"If-None-Match": f'"other", {etag}'}) as second:
        assert (second.status, await second.read(), second.headers["ETag"]) == (304, b"", etag)
    async with client.get(path, headers={"If-None-Match": '"other"'}) as third:
        assert third.status == 200


@pytest.mark.parametrize("path", ["/page/", "/page/../live_page.py", "/page/%2e%2e/live_page.py", "/page/index.html"])
async def test_serves_nothing_else(client: aiohttp.ClientSession, path: str) -> None:
    async with client.get(path) as response:
        assert response.status == 404


def test_has_no_way_to_make_markup_of_text_and_knows_no_other_host() -> None:
    texts = {name: (FOLDER / name).read_text() for name in FILES}
    assert [(name, word) for name, text in texts.items() for word in UNSAFE if word in text] == []
    assert [name for name, text in texts.items() if "://" in text.replace("http://www.w3.org/2000/svg", "")] == []


def test_listens_to_every_type_of_event_that_there_is() -> None:
    listed = re.search(r"const TYPES = (\[[^\]]*\])", (FOLDER / "connection.js").read_text())
    assert listed is not None
    assert set(json.loads(listed[1])) == {*PRIORITIES, "hello", "dropped"}


def test_is_part_of_the_wheel(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with ZipFile(wheel) as shipped:
        assert {f"keeper/server/page/{name}" for name in FILES} <= set(shipped.namelist())
