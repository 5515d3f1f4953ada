"""`keeper journal`: what became of every push, and what it cost."""

import argparse
import asyncio
import os
import string
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from keeper.cli.settings import add_config_option

if TYPE_CHECKING:
    from rich.console import RenderableType
    from sqlalchemy import Connection

    from keeper.app.loading import JournalPlace
    from keeper.domain.units import FeedId
    from keeper.journal.stories import Filter, PushStory

_T = TypeVar("_T")

_FORMATS = ("table", "json", "csv")
_WIDTH_OF_A_FILE = 160
_HASH_DIGITS = 64
_PUSHES = 2**63
"""No push has this number or a larger one."""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command with its parts."""
    parser = commands.add_parser(
        "journal",
        help="tell what became of every push, and what it cost",
        description="Reads the journal named by JOURNAL_URL, also while a keeper writes it.",
    )
    parts = parser.add_subparsers(metavar="PART", required=True)
    _add_list(parts)
    _add_show(parts)
    _add_export(parts)
    _add_costs(parts)
    _add_retry(parts)


def _add_list(parts: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = parts.add_parser("list", help="the latest pushes, newest first")
    _add_options(parser, _FORMATS)
    _add_filters(parser)
    _add_status(parser)
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="so many at most (default: %(default)s)")
    parser.set_defaults(run=_list)


def _add_show(parts: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = parts.add_parser("show", help="all about one push")
    _add_id(parser)
    _add_options(parser, ("table", "json"))
    parser.set_defaults(run=_show)


def _add_export(parts: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = parts.add_parser("export", help="every push with all about it, a line each")
    _add_options(parser, ("json", "csv"))
    _add_filters(parser)
    _add_status(parser)
    parser.set_defaults(run=_export)


def _add_costs(parts: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = parts.add_parser("costs", help="what was spent, by day and feed")
    _add_options(parser, _FORMATS)
    _add_filters(parser)
    parser.add_argument("--by", choices=("day", "feed"), help="only by day, or only by feed")
    parser.set_defaults(run=_costs)


def _add_retry(parts: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = parts.add_parser(
        "retry",
        help="have the running keeper push the feeds of a push anew",
        description="The keeper plans a new push with the newest prices; the old transactions are not sent again.",
    )
    _add_id(parser)
    _add_options(parser, ("table", "json"))
    parser.add_argument(
        "--wait", type=float, default=10.0, metavar="SECONDS", help="for that push (default: %(default)g)"
    )
    parser.set_defaults(run=_retry)


def _add_id(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="number of the push, or hash of one of its transactions")
    parser.add_argument("--network", metavar="NAME", help="of this network")


def _add_options(parser: argparse.ArgumentParser, formats: tuple[str, ...]) -> None:
    add_config_option(parser)
    parser.add_argument("--format", choices=formats, default=formats[0], help="default: %(default)s")


def _add_filters(parser: argparse.ArgumentParser) -> None:
    moment = "a date, a date with a time (UTC), or so long ago: 2026-01-31, 2026-01-31T10:00, 90m, 24h, 7d"
    parser.add_argument("--network", metavar="NAME", help="only of this network")
    parser.add_argument(
        "--feed", metavar="FEED", help="only with this feed in it: its id, or its alias in the settings"
    )
    parser.add_argument("--since", metavar="TIME", help=f"only from then on; {moment}")
    parser.add_argument("--until", metavar="TIME", help="only before then")


def _add_status(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--status", metavar="WORD", help="only those in this state or with this outcome; open: not ended"
    )


def _list(args: argparse.Namespace) -> int:
    from keeper.app.journal_screen import pushes_table
    from keeper.app.journal_views import push_view
    from keeper.app.printing import writer
    from keeper.domain.errors import UsageError
    from keeper.journal.reading import newest

    if args.limit < 1:
        raise UsageError("--limit: at least 1 is wanted")
    place = _place(args)
    wanted = _filter(args, place.aliases)
    stories = _read(place, lambda connection: newest(connection, wanted, args.limit))
    if args.format == "table":
        _print(pushes_table(stories, place.names))
    else:
        writer(args.format)(push_view(story, place.aliases.get) for story in stories)
    return 0


def _show(args: argparse.Namespace) -> int:
    place = _place(args)
    _print_push(_the_one(args, place), args, place)
    return 0


def _retry(args: argparse.Namespace) -> int:
    from keeper.app.journal_retry import retry

    place = _place(args)
    pushed = asyncio.run(retry(place.address, _the_one(args, place), patience_s=args.wait))
    _print_push(pushed, args, place)
    return 0


def _the_one(args: argparse.Namespace, place: "JournalPlace") -> "PushStory":
    from keeper.domain.errors import Rejected
    from keeper.journal.reading import newest

    wanted = _filter_of_id(args.id, args.network)
    stories = _read(place, lambda connection: newest(connection, wanted, 2))
    if not stories:
        raise Rejected(f"the journal at {place.address} knows no push {args.id}: see `keeper journal list`")
    if len(stories) > 1:
        networks = ", ".join(sorted({story.network for story in stories}))
        raise Rejected(f"several pushes are called {args.id}: say which with --network ({networks})")
    return stories[0]


def _print_push(story: "PushStory", args: argparse.Namespace, place: "JournalPlace") -> None:
    from keeper.app.journal_screen import push_tables
    from keeper.app.journal_views import push_view
    from keeper.app.printing import writer

    if args.format == "table":
        _print(push_tables(story, place.names))
    else:
        writer(args.format)([push_view(story, place.aliases.get)])


def _export(args: argparse.Namespace) -> int:
    from keeper.app.journal_views import push_view
    from keeper.app.printing import writer
    from keeper.journal.reading import every

    place = _place(args)
    wanted, write = _filter(args, place.aliases), writer(args.format)
    _read(place, lambda connection: write(push_view(each, place.aliases.get) for each in every(connection, wanted)))
    return 0


def _costs(args: argparse.Namespace) -> int:
    from keeper.app.journal_screen import costs_table
    from keeper.app.journal_views import cost_view
    from keeper.app.printing import writer
    from keeper.journal.reading import costs

    place = _place(args)
    wanted = _filter(args, place.aliases)
    by = {"by_day": args.by != "feed", "by_feed": args.by != "day"}
    lines = _read(place, lambda connection: costs(connection, wanted, **by))
    if args.format == "table":
        _print(costs_table(lines, place.names))
    else:
        writer(args.format)(cost_view(line, place.aliases.get) for line in lines)
    return 0


def _place(args: argparse.Namespace) -> "JournalPlace":
    from keeper.app.loading import load_journal

    return load_journal(config_file=args.config, environ=os.environ, dotenv=Path.cwd() / ".env")


def _filter(args: argparse.Namespace, aliases: "Mapping[FeedId, str]") -> "Filter":
    from keeper.app.aliases import feed_called
    from keeper.app.moments import parse_moment
    from keeper.journal.stories import Filter

    now = time.time()
    return Filter(
        network=args.network,
        status=_status(args.status) if "status" in args else None,
        feed=None if args.feed is None else feed_called(args.feed, aliases),
        since=None if args.since is None else parse_moment(args.since, now),
        until=None if args.until is None else parse_moment(args.until, now),
    )


def _status(word: str | None) -> str | None:
    from keeper.domain.errors import UsageError
    from keeper.domain.transaction import Outcome, State

    words = ["open", *dict.fromkeys(each.value for kind in (State, Outcome) for each in kind)]
    if word is not None and word not in words:
        raise UsageError(f"--status: {word!r} is none of {', '.join(words)}")
    return word


def _filter_of_id(text: str, network: str | None) -> "Filter":
    from keeper.domain.errors import UsageError
    from keeper.journal.stories import Filter

    digits = text.lower().removeprefix("0x")
    if len(digits) == _HASH_DIGITS and set(digits) <= set(string.hexdigits):
        return Filter(network=network, tx_hash=bytes.fromhex(digits))
    if not (text.isascii() and text.isdigit() and int(text) < _PUSHES):
        raise UsageError(f"{text!r} is neither the number of a push nor the hash of a transaction")
    return Filter(network=network, push=int(text))


def _read(place: "JournalPlace", work: "Callable[[Connection], _T]") -> _T:
    from keeper.journal.reading import for_reading, read

    return asyncio.run(read(for_reading(place.address), work))


def _print(renderable: "RenderableType") -> None:
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDTH_OF_A_FILE)
    console.print(renderable)
