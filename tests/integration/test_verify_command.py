"""`keeper verify` against keepers that run."""

import asyncio
from itertools import count
from pathlib import Path

import msgspec
from aiohttp import web
from aiohttp.test_utils import TestServer

from keeper.app.verifying import Leadership, Network, Status
from keeper.lab.anvil import Anvil
from keeper.server.health import Level
from tests.support.keeper_process import KEEPER, devnet_contract, environment, keeper_running, simulator_running
from tests.support.node import Node
from tests.support.waiting import wait_until

DEEP = 40
"""More blocks than there are pushes in a test."""
LONGEST_LOOK_S = 60
"""Without a WebSocket a keeper that waits for so many blocks looks no more often than that."""


async def verify(*arguments: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        KEEPER, "verify", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    assert process.stdout is not None
    said = await process.stdout.read()
    return await process.wait(), said.decode()


async def test_has_a_healthy_keeper_push_and_sees_it_on_chain(anvil: Anvil, tmp_path: Path) -> None:
    async with (
        simulator_running(feeds=2, volatility_ppm=500) as simulator,
        devnet_contract(anvil, simulator) as contract,
        keeper_running(environment(anvil.url, simulator, contract, tmp_path), tmp_path) as keeper,
    ):
        code, said = await verify("--url", keeper.url, "--pid", str(keeper.process.pid), "--within", "30")
        assert code == 0, said
        assert "ok    the keeper is well" in said
        assert "ok    network evm leads, and has pushed" in said
        network = await keeper.network()
        assert network["final_push"] >= 1


async def test_a_push_that_is_mined_and_not_final_is_not_enough(anvil: Anvil, node: Node, tmp_path: Path) -> None:
    async with (
        simulator_running(feeds=2, volatility_ppm=0) as simulator,
        devnet_contract(anvil, simulator) as contract,
        keeper_running(
            environment(anvil.url, simulator, contract, tmp_path) | {"CONFIRMATIONS": str(DEEP)}, tmp_path
        ) as keeper,
    ):
        arguments = ("--url", keeper.url, "--pid", str(keeper.process.pid), "--within")
        code, said = await verify(*arguments, "10")
        assert code == 1, said
        assert "FAIL  network evm leads, and has pushed" in said
        assert "which is not final yet" in said
        final = asyncio.create_task(verify(*arguments, str(2 * LONGEST_LOOK_S)))
        while not final.done():  # a push may have been under way that nobody asked for here
            confirmed = len(keeper.told("push_confirmed"))
            await node.request("anvil_mine", hex(DEEP))
            await wait_until(
                lambda: final.done() or len(keeper.told("push_confirmed")) > confirmed,  # noqa: B023
                timeout_s=2 * LONGEST_LOOK_S,
            )
        code, said = await final
        assert code == 0, said
        assert ", which is final" in said


async def test_fails_with_what_is_wrong_where_no_price_comes(anvil: Anvil, tmp_path: Path) -> None:
    async with simulator_running(feeds=2) as simulator, devnet_contract(anvil, simulator) as contract:
        environ = environment(anvil.url, simulator, contract, tmp_path)
        await simulator.stop()
        async with keeper_running(environ, tmp_path, ready=False) as keeper:
            code, said = await verify("--url", keeper.url, "--pid", str(keeper.process.pid), "--within", "2")
    assert code == 1
    assert "FAIL  network evm is not ready" in said


async def test_waits_until_one_of_those_that_are_named_leads() -> None:
    holders = ["old-pod_1f2e", "old-pod_1f2e", "new-pod_3c4d"]
    shown = count()

    async def status(_request: web.Request) -> web.Response:
        holder = holders[min(next(shown), len(holders) - 1)]
        network = Network("evm", True, "", False, 0, {}, [], [], 0, 0, Leadership(held=False, holder=holder))
        return web.Response(body=msgspec.json.encode(Status(Level.HEALTHY, {}, [], [network])))

    app = web.Application()
    app.router.add_get("/status", status)
    async with TestServer(app) as server:
        url = str(server.make_url(""))
        code, said = await verify("--url", url, "--leader", "other-pod", "--within", "0")
        assert code == 1
        assert "FAIL  network evm: old-pod_1f2e leads, and is none of other-pod" in said
        code, said = await verify("--url", url, "--leader", "other-pod", "--leader", "new-pod")
    assert code == 0, said
    assert next(shown) == len(holders)


async def test_fails_where_no_keeper_answers() -> None:
    code, said = await verify("--url", "http://127.0.0.1:1", "--within", "0")
    assert code == 1
    assert "no keeper answers at http://127.0.0.1:1" in said
