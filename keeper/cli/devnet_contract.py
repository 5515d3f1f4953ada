"""`keeper devnet contract`: deploy a Pyth contract that trusts signers of your choice."""

import argparse
import asyncio
import json
import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from keeper.domain.errors import UsageError

if TYPE_CHECKING:
    from keeper.lab.contract import ContractTerms

_KEY_VARIABLE = "DEPLOYER_KEY"
_PYTHNET_EMITTER = "0xe101faedac5851e32b9b23b5f9411a8c2bac4aae3ed4dd7b811dd1a72ea4aa71"


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = commands.add_parser(
        "contract",
        help="deploy a Pyth contract",
        description='Deploys a Pyth contract and prints its address as JSON: {"pyth": "0x..."}.',
        epilog=f"The deployer's key is read from --private-key-file, else from {_KEY_VARIABLE}, else it is the first"
        " one of Anvil.",
    )
    parser.add_argument("--rpc", required=True, metavar="URL", help="the chain's JSON-RPC: http(s):// or ws(s)://")
    parser.add_argument(
        "--signers", required=True, metavar="A,B", help="addresses that sign, in order of their indices"
    )
    parser.add_argument("--quorum", required=True, type=int, metavar="N", help="how many of them must sign")
    parser.add_argument("--fee", type=int, default=1, metavar="WEI", help="for each message (default: %(default)s)")
    parser.add_argument("--signer-set-index", type=int, default=0, metavar="I", help="default: %(default)s")
    parser.add_argument("--emitter-chain", type=int, default=26, metavar="ID", help="default: %(default)s, Pythnet")
    parser.add_argument("--emitter", default=_PYTHNET_EMITTER, metavar="HEX", help="default: %(default)s, Pythnet's")
    parser.add_argument("--valid-period", type=int, default=60, metavar="S", help="default: %(default)s seconds")
    parser.add_argument("--private-key-file", metavar="FILE", help="holds the deployer's private key")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Deploy, and print nothing but the address."""
    address = asyncio.run(_deploy(_rpc_url(args.rpc), _private_key(args.private_key_file), _terms(args)))
    print(json.dumps({"pyth": address}))
    return 0


async def _deploy(url: str, private_key: bytes, terms: "ContractTerms") -> str:
    from keeper.app.clock import SystemClock
    from keeper.app.endpoints import endpoint_names
    from keeper.evm.rpc import RpcPool, transport
    from keeper.lab.contract import deploy_contract
    from keeper.signing.raw_key import RawKeySigner

    (name,) = endpoint_names([url])
    pool = RpcPool([transport(name, url)], clock=SystemClock())
    try:
        return await deploy_contract(pool, signer=RawKeySigner(private_key), terms=terms)
    finally:
        await pool.close()


def _terms(args: argparse.Namespace) -> "ContractTerms":
    from keeper.domain.units import Wei
    from keeper.lab.contract import ContractTerms
    from keeper.lab.hermes.updates import Emitter

    return ContractTerms(
        signers=_addresses(args.signers),
        quorum=args.quorum,
        signer_set_index=args.signer_set_index,
        emitter=Emitter(args.emitter_chain, _emitter_address(args.emitter)),
        update_fee=Wei(args.fee),
        valid_period_s=args.valid_period,
    )


def _addresses(text: str) -> list[str]:
    from keeper.app.values import address, several

    try:
        return [address(item) for item in several(text)]
    except UsageError as exc:
        raise UsageError(f"--signers: one {exc}") from exc


def _emitter_address(text: str) -> bytes:
    digits = text.removeprefix("0x")
    try:
        return bytes.fromhex(digits)
    except ValueError as exc:
        raise UsageError("--emitter: 64 hex digits are wanted, 0x in front is fine") from exc


def _rpc_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https", "ws", "wss"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise UsageError("--rpc: a URL such as http://127.0.0.1:8545 is wanted")
    return text


def _private_key(path: str | None) -> bytes:
    from keeper.app.values import file_text
    from keeper.lab.anvil import DEV_PRIVATE_KEY
    from keeper.signing.raw_key import parse_private_key

    if path is not None:
        try:
            return parse_private_key(file_text(path))
        except UsageError as exc:
            raise UsageError(f"--private-key-file: {exc}") from exc
    in_environment = os.environ.get(_KEY_VARIABLE)
    return parse_private_key(in_environment) if in_environment else DEV_PRIVATE_KEY
