"""`keeper status` beside a running server."""

import asyncio
import json
import os
import pty
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from keeper.cli import main
from keeper.server import overview
from keeper.server.app import Server
from keeper.server.event_metrics import EventMetrics
from tests.support.status import KEEPER, Watched, with_network
from tests.support.waiting import wait_until

HOST = "127.0.0.1"


@pytest.fixture
def watched() -> Watched:
    return Watched(KEEPER)


@pytest.fixture
async def url(watched: Watched) -> AsyncIterator[str]:
    async with Server(overview.routes(watched, EventMetrics()), host=HOST, port=0) as server:
        yield f"http://{HOST}:{server.port}"


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """What a shell runs in the background ignores SIGINT, and so would all that we run."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


async def keeper_status(*arguments: str) -> int:
    """Exit code of the command, run beside the test's event loop."""
    return await asyncio.to_thread(main, ["status", *arguments])


@pytest.mark.parametrize("arguments", [["--once"], []])
async def test_prints_the_table_once_where_there_is_no_terminal(
    url: str, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert await keeper_status("--url", url, *arguments) == 0
    assert "BTC/USD  61409.93501000  61348.59000000    0.0999%" in capsys.readouterr().out


async def test_prints_the_document_as_json(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert await keeper_status("--url", f"{url}/", "--json") == 0
    assert json.loads(capsys.readouterr().out)["networks"][0]["name"] == "devnet"


async def test_says_in_one_line_that_no_keeper_answers(
    capsys: pytest.CaptureFixture[str], unused_tcp_port: int
) -> None:
    nobody = f"http://{HOST}:{unused_tcp_port}"
    assert await keeper_status("--url", nobody) == 1
    assert capsys.readouterr().err == (
        f"keeper: no keeper answers at {nobody}: is it running, and is that its METRICS_PORT?\n"
    )


@pytest.mark.parametrize(
    "address", ["nonsense", "localhost:9090", "http://", "ftp://localhost:9090", "http://localhost:99999"]
)
async def test_refuses_what_is_no_address(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert await keeper_status("--url", address) == 2
    assert capsys.readouterr().err == (
        f"keeper: {address} is no address of a keeper: something like http://127.0.0.1:9090 is wanted\n"
    )


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ("{}", 200, "shows a status of another kind"),
        ("<html>", 200, "shows a status of another kind"),
        pytest.param('{"x":' + "[" * 1_000_000, 200, "shows a status of another kind", id="deep"),
        ("gone", 404, "answers 404 and shows no status"),
    ],
)
@pytest.mark.parametrize("output", ["--once", "--json"])
async def test_tells_a_stranger_from_a_keeper(
    body: str, code: int, words: str, output: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def strange(_request: web.Request) -> web.Response:
        return web.Response(text=body, status=code)

    app = web.Application()
    app.router.add_get("/status", strange)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, HOST, 0).start()
    try:
        assert await keeper_status("--url", f"http://{HOST}:{runner.addresses[0][1]}", output) == 1
    finally:
        await runner.cleanup()
    told = capsys.readouterr().err
    assert words in told
    assert told.count("\n") == 1


class Terminal:
    """What a command shows on a terminal."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.shown = ""

    def read(self) -> None:
        try:
            self.shown += os.read(self._descriptor, 65_536).decode(errors="replace")
        except OSError:  # how Linux says that the other side has closed
            asyncio.get_running_loop().remove_reader(self._descriptor)

    def shows(self, words: str) -> bool:
        return words in self.shown


@asynccontextmanager
async def on_a_terminal(*arguments: str) -> AsyncIterator[tuple[Terminal, asyncio.subprocess.Process]]:
    """`keeper ARGUMENTS` on a terminal of its own."""
    ours, theirs = pty.openpty()
    terminal = Terminal(ours)
    asyncio.get_running_loop().add_reader(ours, terminal.read)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "keeper", *arguments),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "140", "LINES": "30"},
    )
    os.close(theirs)
    try:
        yield terminal, process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        asyncio.get_running_loop().remove_reader(ours)
        os.close(ours)


async def test_follows_the_keeper_on_a_terminal(url: str, watched: Watched) -> None:
    async with on_a_terminal("status", "--url", url) as (terminal, process):
        await wait_until(lambda: terminal.shows("balance 1.5"))
        watched.current = with_network(ready=False, detail="no endpoint answers")
        await wait_until(lambda: terminal.shows("is not ready: no endpoint answers"))
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 130
        assert "Traceback" not in terminal.shown


async def test_ends_with_one_clear_line_when_the_keeper_goes_away(watched: Watched) -> None:
    async with Server(overview.routes(watched, EventMetrics()), host=HOST, port=0) as server:
        address = f"http://{HOST}:{server.port}"
        async with on_a_terminal("status", "--url", address) as (terminal, process):
            await wait_until(lambda: terminal.shows("balance 1.5"))
            await server.stop()
            assert await process.wait() == 1
            await wait_until(lambda: terminal.shows(f"keeper: no keeper answers at {address}"))
            assert "Traceback" not in terminal.shown
