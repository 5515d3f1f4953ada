"""`keeper alert`: whether an alert of the keeper itself arrives."""

import argparse
import asyncio

from keeper.cli.settings import add_config_option, load_settings


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = commands.add_parser(
        "alert",
        help="post a test message to the webhook for alerts",
        description="Posts one message to ALERT_WEBHOOK_URL that says it is a test. Exit code: 0 it was taken, 1 it was"
        " not, 2 the settings are wrong.",
    )
    add_config_option(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Post, and say so."""
    from keeper.app.alerting import post_test

    text = asyncio.run(post_test(load_settings(args.config)))
    print(f"the webhook has taken: {text}")
    return 0
