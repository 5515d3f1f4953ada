"""`keeper run`: keep the feeds fresh until told to stop."""

import argparse
import logging
import os
import sys
from functools import partial
from typing import TYPE_CHECKING

from keeper.cli.settings import add_config_option, load_settings, watched_files

log = logging.getLogger(__name__)

if TYPE_CHECKING:
    from keeper.app.redaction import Redactor
    from keeper.app.settings import Settings


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = commands.add_parser("run", help="keep the feeds fresh until told to stop")
    add_config_option(parser)
    parser.add_argument("--dry-run", action="store_true", help="decide and log, but send nothing")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run until SIGTERM or SIGINT."""
    import uvloop

    from keeper.app.logs import logging_as

    settings = load_settings(args.config, port_must_be_free=True)
    with logging_as(settings, sys.stdout) as redactor:
        uvloop.run(_keep(settings, args, redactor))
    return 0


async def _keep(settings: "Settings", args: argparse.Namespace, redactor: "Redactor") -> None:
    from keeper.app.reload import Origin
    from keeper.app.wiring import assembled

    dry_run: bool = args.dry_run
    origin = Origin(partial(load_settings, args.config), watched_files(args.config))
    async with assembled(settings, redactor=redactor, dry_run=dry_run, origin=origin) as parts:
        url = f"http://{settings.metrics_host}:{parts.server.port}"
        names = [network.network_name for network in settings.networks]
        where = f"{len(settings.feeds)} feeds on {', '.join(names)}"
        text = f"keeps {where} fresh{' (dry run)' if dry_run else ''}, live page at {url}/"
        counts = {"feeds": len(settings.feeds), "networks": names}
        fields = {"url": url, **counts, "dry_run": dry_run, "pid": os.getpid()}
        log.info("serving", extra={"text": text, "fields": fields})
        await parts.keeper.run()
    log.info("stopped", extra={"text": "stopped"})
