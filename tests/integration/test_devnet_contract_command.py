"""`keeper devnet contract` as a process of its own, against a real node."""

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from keeper.lab.anvil import DEV_PRIVATE_KEY, Anvil
from tests.support.guardians import GUARDIANS, QUORUM, guardian_terms, price_updates
from tests.support.node import Node
from tests.support.pyth_contract import PythContract
from tests.support.updates import ADDRESSES, KEYS, Envelope, Quote, build_update

SIGNERS = ",".join("0x" + address.hex() for address in ADDRESSES)
POOR_KEY = "0x" + "11" * 32


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that came to its end."""

    code: int | None
    out: str
    err: str

    def contract(self, node: Node) -> PythContract:
        """Of which it printed the address, and nothing else."""
        assert (self.code, self.err) == (0, "")
        printed: Any = json.loads(self.out)
        assert printed.keys() == {"pyth"}
        return PythContract(node, printed["pyth"])


async def deploy(url: str, *options: str, **environment: str) -> Ended:
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "keeper", "devnet", "contract", "--rpc", url, *options],
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    return Ended(process.returncode, out.decode(), err.decode())


async def test_deploys_a_contract_for_devnet_signers(anvil: Anvil, node: Node) -> None:
    ended = await deploy(anvil.url, "--signers", SIGNERS, "--quorum", "2", "--fee", "7", "--valid-period", "9")
    contract = ended.contract(node)
    blob = build_update([Quote(feed_id="ab" * 32, price=5).message()], Envelope(signer_set=0, keys=KEYS[:2]))
    assert await contract.update_fee(blob) == 7
    assert (await contract.update(blob)).succeeded
    assert (await contract.price("ab" * 32)).price == 5
    assert await contract.valid_period() == 9


async def test_deploys_over_websocket_a_contract_that_takes_genuine_updates(anvil: Anvil, node: Node) -> None:
    signers = ",".join(str(signer) for signer in guardian_terms(4).signers)
    assert signers.count(",") == GUARDIANS - 1
    ended = await deploy(anvil.ws_url, "--signers", signers, "--quorum", str(QUORUM), "--signer-set-index", "4")
    blob, _ = next(price_updates(4))
    assert (await ended.contract(node).update(blob)).succeeded


async def test_deploys_with_a_key_from_a_file_or_the_environment(anvil: Anvil, node: Node, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"0x{DEV_PRIVATE_KEY.hex()}\n")
    terms = ("--signers", SIGNERS, "--quorum", "1")
    by_file = await deploy(anvil.url, *terms, "--private-key-file", str(tmp_path / "key"), DEPLOYER_KEY=POOR_KEY)
    by_environment = await deploy(anvil.url, *terms, DEPLOYER_KEY=DEV_PRIVATE_KEY.hex())
    assert by_file.contract(node).address != by_environment.contract(node).address


async def test_says_that_the_deployer_has_no_funds(anvil: Anvil) -> None:
    ended = await deploy(anvil.url, "--signers", SIGNERS, "--quorum", "1", DEPLOYER_KEY=POOR_KEY)
    assert (ended.code, ended.out) == (1, "")
    assert "insufficient funds" in ended.err.lower()
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("scheme", ["http", "ws"])
async def test_says_that_no_node_answers(unused_tcp_port: int, scheme: str) -> None:
    url = f"{scheme}://127.0.0.1:{unused_tcp_port}/secret-key"
    ended = await deploy(url, "--signers", SIGNERS, "--quorum", "1")
    assert (ended.code, ended.out) == (1, "")
    assert "connection refused" in ended.err
    assert "secret-key" not in ended.err
    assert "Traceback" not in ended.err


async def test_says_what_is_wrong_with_the_input(anvil: Anvil) -> None:
    ended = await deploy(anvil.url, "--signers", SIGNERS, "--quorum", "4")
    assert (ended.code, ended.out, ended.err) == (2, "", "keeper: the quorum 4 is out of range: give 1 to 3\n")
