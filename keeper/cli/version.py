"""`keeper version`: print the version and exit."""

import argparse


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    commands.add_parser("version", help="print the version").set_defaults(run=run)


def run(_args: argparse.Namespace) -> int:
    """Print the version."""
    from keeper import __version__

    print(__version__)
    return 0
