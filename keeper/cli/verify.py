"""`keeper verify`: whether a keeper that runs does its work."""

import argparse
import asyncio
from typing import TYPE_CHECKING

from keeper.cli.status import DEFAULT_URL, TIMEOUT_S, address, fetch

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from aiohttp import ClientSession

    from keeper.app.verifying import Status

_LOOK_EVERY_S = 0.5


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = commands.add_parser(
        "verify",
        help="verify that a running keeper does its work",
        description="Waits until the keeper is well and somebody leads. With --pid it then has all feeds pushed,"
        " and waits until each that had a newer price than the chain is there and a push is final (CONFIRMATIONS"
        " blocks deep), or nothing is newer than what is there while sources and RPC endpoints are well; a push that"
        " fails meanwhile is a failure, and a price that may not be pushed (invalid, too wide) is none."
        " Exit code: 0 fine, 1 not.",
    )
    parser.add_argument("--url", default=DEFAULT_URL, help="where the keeper listens (default: %(default)s)")
    parser.add_argument("--pid", type=int, help="the keeper's process, to have it push all feeds: 1 in a container")
    parser.add_argument("--within", type=float, default=120.0, metavar="SECONDS", help="default: %(default)g")
    parser.add_argument(
        "--leader",
        action="append",
        default=[],
        metavar="POD",
        help="wait until this one leads, or another that is named so, or the keeper itself; without it anybody may",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Verify, and print what was found."""
    return asyncio.run(_verify(address(args.url), args.pid, args.within, args.leader))


async def _verify(url: str, pid: int | None, within_s: float, leaders: "Collection[str]") -> int:
    from aiohttp import ClientSession, ClientTimeout

    from keeper.app.verifying import findings, unwell

    clock = asyncio.get_running_loop().time
    deadline = clock() + within_s
    async with ClientSession(timeout=ClientTimeout(total=TIMEOUT_S)) as session:
        before = await _until(session, url, lambda now: unwell(now, leaders), deadline)
        if before is None:
            return 1
        print("ok    the keeper is well, and somebody leads")
        if pid is None:
            return 0
        _ask_for_a_push(pid)
        asked = clock()
        after = await _until(
            session,
            url,
            lambda now: (
                *unwell(now, leaders),
                *(str(each) for each in findings(before, now, after_s=clock() - asked) if not each.done),
            ),
            deadline,
        )
        if after is None:
            return 1
        print(*(f"ok    {each}" for each in findings(before, after, after_s=clock() - asked)), sep="\n")
        return 0


def _ask_for_a_push(pid: int) -> None:
    import os
    import signal

    from keeper.domain.errors import UsageError

    try:
        os.kill(pid, signal.SIGUSR1)
    except OSError as exc:
        raise UsageError(f"the process {pid} cannot be signalled ({exc.strerror}): is it the keeper's?") from exc


async def _until(
    session: "ClientSession", url: str, missing: "Callable[[Status], Iterable[str]]", deadline: float
) -> "Status | None":
    """The first status in which nothing is missing; None, and what is missing is printed, once the time is over."""
    from keeper.app.verifying import read_status
    from keeper.domain.errors import Transient

    while True:
        try:
            status = read_status(await fetch(session, url), url)
            problems = list(missing(status))
            if not problems:
                return status
        except Transient as exc:
            problems = [str(exc)]
        if asyncio.get_running_loop().time() >= deadline:
            print(*(f"FAIL  {problem}" for problem in problems), sep="\n")
            return None
        await asyncio.sleep(_LOOK_EVERY_S)
