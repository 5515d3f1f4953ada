"""`keeper update`, `keeper pause` and `keeper resume` beside a running keeper, and orders over HTTP with its token."""

import asyncio
from pathlib import Path

import aiohttp
import pytest

from keeper.lab.anvil import Anvil
from tests.support.keeper_process import KEEPER, devnet_contract, environment, keeper_running, simulator_running
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

PATIENCE_S = 30.0
TOKEN = "correct-horse-battery-staple"


async def keeper(environ: dict[str, str], folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Exit code, output and errors of a command."""
    process = await asyncio.create_subprocess_exec(
        KEEPER, *arguments, env=environ, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


async def test_a_pause_holds_across_a_restart_and_updates_are_pushed_after_it(anvil: Anvil, tmp_path: Path) -> None:
    async with simulator_running(feeds=3) as simulator, devnet_contract(anvil, simulator) as contract:
        environ = environment(anvil.url, simulator, contract, tmp_path) | {"CONTROL_TOKEN": TOKEN}
        code, _, errors = await keeper(environ, tmp_path, "pause")
        assert (code, "start it first" in errors) == (1, True)
        async with keeper_running(environ, tmp_path) as running:
            await wait_until(lambda: running.told("push_confirmed"), timeout_s=PATIENCE_S)
            code, output, errors = await keeper(environ, tmp_path, "pause", "--by", "alice")
            assert (code, errors, "paused by alice" in output) == (0, "", True)
            await wait_until(lambda: running.told("pushing_paused"), timeout_s=PATIENCE_S)
        async with keeper_running(environ, tmp_path) as running:
            await wait_until(lambda: running.told("pushing_paused"), timeout_s=PATIENCE_S)
            code, _, errors = await keeper(environ, tmp_path, "update")
            assert (code, "is paused by alice" in errors) == (1, True)
            assert (await keeper(environ, tmp_path, "resume"))[0] == 0
            await wait_until(lambda: running.told("pushing_resumed"), timeout_s=PATIENCE_S)
            code, output, errors = await keeper(environ, tmp_path, "update", "--by", "bob")
            assert (code, errors, "all feeds" in output) == (0, "", True)
            await wait_until(lambda: running.told("force_requested"))
            (asked,) = running.told("force_requested")
            assert (asked["by"], asked["feeds"]) == ("bob", 3)
            (serving,) = running.told("serving")
            headers = {"Authorization": f"Bearer {TOKEN}"}
            async with (
                aiohttp.ClientSession(serving["url"]) as session,
                session.post("/v1/updates", headers=headers) as response,
            ):
                assert response.status == 202
            await wait_until(lambda: len(running.told("force_requested")) == 2, timeout_s=PATIENCE_S)
