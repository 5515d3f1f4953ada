"""A dry run beside a keeper that pushes: it sees what the other writes, and tells how the two compare."""

import signal
from pathlib import Path

import pytest

from keeper.lab.anvil import Anvil
from tests.support.keeper_process import devnet_contract, environment, keeper_running, simulator_running
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

SECOND_KEY = "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
"""Of the second account of every development node."""


async def test_a_dry_run_reports_how_it_compares_with_another_pusher(anvil: Anvil, tmp_path: Path) -> None:
    async with simulator_running(feeds=2) as simulator, devnet_contract(anvil, simulator) as contract:
        environ = environment(anvil.ws_url, simulator, contract, tmp_path)
        other = environ | {"PRIVATE_KEY": SECOND_KEY, "JOURNAL_URL": "sqlite:///other.db", "DEBOUNCE_MS": "2000"}
        async with keeper_running(environ, tmp_path, "--dry-run") as dry:

            async def has_seen(whose: str) -> bool:
                shadow = (await dry.network())["shadow"]
                return bool(shadow) and all(feed[whose] >= 1 for feed in shadow)

            await wait_until(lambda: has_seen("ours"))
            async with keeper_running(other, tmp_path):
                await wait_until(lambda: has_seen("theirs"))
            feeds = (await dry.network())["shadow"]
            assert all(feed["ours"] >= 1 and int(feed["cost"]["wei"]) > 0 for feed in feeds)
            assert all(feed["ours_first"] + feed["theirs_first"] == feed["theirs"] for feed in feeds)
            dry.signal(signal.SIGTERM)
            await dry.process.wait()
            await wait_until(lambda: dry.told("stopped"))
            told = dry.told("shadow")[-1]
            assert (told["network"], set(told["feeds"])) == ("evm", set(simulator.feed_ids))
