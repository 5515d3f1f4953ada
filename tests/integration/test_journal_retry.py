"""`keeper journal retry` beside a running keeper."""

import asyncio
import json
from decimal import Decimal
from pathlib import Path

import pytest

from keeper.lab.anvil import Anvil
from tests.support.keeper_process import KEEPER, devnet_contract, environment, keeper_running, simulator_running
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

PATIENCE_S = 30.0


async def retry(environ: dict[str, str], folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Exit code, output and errors of the command."""
    process = await asyncio.create_subprocess_exec(
        KEEPER,
        *("journal", "retry", *arguments),
        env=environ,
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


async def test_pushes_those_feeds_anew_in_a_transaction_of_its_own(anvil: Anvil, tmp_path: Path) -> None:
    async with simulator_running(feeds=3) as simulator, devnet_contract(anvil, simulator) as contract:
        environ = environment(anvil.url, simulator, contract, tmp_path) | {"EARLY_UPDATE": "never"}
        async with keeper_running(environ, tmp_path) as keeper:
            await wait_until(lambda: keeper.told("push_confirmed"), timeout_s=PATIENCE_S)
            simulator.publisher.jump(simulator.feed_ids[1], percent=Decimal(1))
            await wait_until(lambda: len(keeper.told("push_confirmed")) == 2, timeout_s=PATIENCE_S)
            code, output, errors = await retry(environ, tmp_path, "2", "--format", "json", "--wait", "30")
            assert (code, errors) == (0, "")
            pushed = json.loads(output)
            assert (pushed["push"], pushed["outcome"]) == (3, "confirmed")
            await wait_until(lambda: len(keeper.told("push_confirmed")) == 3, timeout_s=PATIENCE_S)
            first, second = (line["tx_hash"] for line in keeper.told("push_confirmed")[1:])
            assert first != second
            assert keeper.told("push_confirmed")[2]["feeds"] == keeper.told("push_confirmed")[1]["feeds"]
            (asked,) = keeper.told("force_requested")
            assert (asked["origin"], asked["feeds"]) == ("control", 1)
