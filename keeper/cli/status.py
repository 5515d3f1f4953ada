"""`keeper status`: what a running keeper does, as a live table in the terminal."""

import argparse
import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import ClientSession
    from rich.console import Console

    from keeper.server.views import StatusView

DEFAULT_URL = "http://127.0.0.1:9090"
_REFRESH_S = 1.0
TIMEOUT_S = 5.0
_WIDTH_OF_A_FILE = 160


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = commands.add_parser("status", help="show what a running keeper does")
    parser.add_argument("--url", default=DEFAULT_URL, help="where the keeper listens (default: %(default)s)")
    parser.add_argument("--once", action="store_true", help="print the table once, as is done without a terminal")
    parser.add_argument("--json", action="store_true", help="print the answer of /status once")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Show the status, once or until interrupted."""
    asyncio.run(_show(address(args.url), once=args.once, as_json=args.json))
    return 0


def address(url: str) -> str:
    """The URL without a slash at its end; raises UsageError where it is none."""
    from urllib.parse import urlsplit

    from keeper.domain.errors import UsageError

    try:
        parts = urlsplit(url)
        fine = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fine = False
    if not fine:
        raise UsageError(f"{url} is no address of a keeper: something like {DEFAULT_URL} is wanted")
    return url.rstrip("/")


async def _show(url: str, *, once: bool, as_json: bool) -> None:
    import msgspec
    from aiohttp import ClientSession, ClientTimeout
    from rich.console import Console

    from keeper.app.screen import screen

    async with ClientSession(timeout=ClientTimeout(total=TIMEOUT_S)) as session:
        body = await fetch(session, url)
        view = _decoded(body, url)
        if as_json:
            print(msgspec.json.format(body).decode())
            return
        console = Console()
        if not console.is_terminal:
            console = Console(width=_WIDTH_OF_A_FILE)
        if once or not console.is_terminal:
            console.print(screen(view))
            return
        await _watch(session, url, console, view)


async def _watch(session: "ClientSession", url: str, console: "Console", view: "StatusView") -> None:
    from rich.live import Live

    from keeper.app.screen import screen

    with Live(console=console, auto_refresh=False) as live:
        while True:
            live.update(screen(view, height=console.height), refresh=True)
            await asyncio.sleep(_REFRESH_S)
            view = _decoded(await fetch(session, url), url)


async def fetch(session: "ClientSession", url: str) -> bytes:
    """The answer of /status; raises Transient where nobody answers."""
    import aiohttp

    from keeper.domain.errors import Rejected, Transient

    try:
        async with session.get(f"{url}/status") as response:
            if response.status != 200:
                raise Rejected(f"{url} answers {response.status} and shows no status: is it a keeper's address?")
            return await response.read()
    except (aiohttp.ClientError, TimeoutError) as exc:
        raise Transient(f"no keeper answers at {url}: is it running, and is that its METRICS_PORT?") from exc


def _decoded(body: bytes, url: str) -> "StatusView":
    import msgspec

    from keeper.domain.errors import Rejected
    from keeper.server.views import StatusView

    try:
        return msgspec.json.decode(body, type=StatusView)
    except (ValueError, RecursionError) as exc:
        raise Rejected(f"{url} shows a status of another kind: is it a keeper of this version?") from exc
