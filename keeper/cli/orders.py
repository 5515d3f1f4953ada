"""`keeper update`, `keeper pause` and `keeper resume`: orders for the keeper that runs with these settings."""

import argparse
import asyncio
from typing import TYPE_CHECKING

from keeper.cli.settings import add_config_option, load_settings

if TYPE_CHECKING:
    from keeper.app.settings import Settings


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the commands."""
    told = (
        "Needs the settings that the keeper runs with, and no token: the order goes by way of the journal or the Lease."
    )
    update = commands.add_parser("update", help="have the running keeper push feeds now", description=told)
    update.add_argument("feeds", nargs="*", metavar="FEED", help="alias or id; all feeds where none is named")
    pause = commands.add_parser("pause", help="have the running keeper push nothing new", description=told)
    resume = commands.add_parser("resume", help="end a pause", description=told)
    for name, parser in (("update", update), ("pause", pause), ("resume", resume)):
        add_config_option(parser)
        parser.add_argument("--network", action="append", metavar="NAME", help="only this one; may be repeated")
        parser.add_argument("--by", metavar="WHO", help="who asks, for the log and the journal (default: USER@HOST)")
        parser.set_defaults(run=run, order=name)


def run(args: argparse.Namespace) -> int:
    """Leave the order; an update is waited for until a keeper has taken it."""
    settings = load_settings(args.config)
    for line in asyncio.run(_order(settings, args)):
        print(line)
    return 0


async def _order(settings: "Settings", args: argparse.Namespace) -> list[str]:
    from keeper.app.ordering import Ordering, who

    ordering = Ordering(settings, networks=args.network or (), by=args.by or who())
    try:
        match args.order:
            case "update":
                return await ordering.update(args.feeds)
            case "pause":
                return await ordering.pause()
            case _:
                return await ordering.resume()
    finally:
        await ordering.close()
