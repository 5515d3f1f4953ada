"""`keeper devnet hermes` and `keeper devnet contract`: each part of the devnet as a command of its own."""

import argparse

from keeper.cli import devnet_contract, devnet_hermes


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command with its parts."""
    parser = commands.add_parser("devnet", help="run one part of the devnet")
    parts = parser.add_subparsers(metavar="PART", required=True)
    devnet_hermes.add_parser(parts)
    devnet_contract.add_parser(parts)
