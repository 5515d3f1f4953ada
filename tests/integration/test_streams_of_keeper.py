"""The streams of a real keeper on a real node."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import aiohttp
import pytest

from keeper.lab.anvil import Anvil
from keeper.lab.hermes import HermesSimulator
from tests.support.keeper_process import (
    RunningKeeper,
    devnet_contract,
    environment,
    keeper_running,
    simulator_running,
)
from tests.support.streaming import Described, Received, sse
from tests.support.waiting import PATIENCE_S, wait_until

pytestmark = pytest.mark.integration

TOKEN = "a-token-of-the-tests"


@asynccontextmanager
async def world(anvil: Anvil, folder: Path, **settings: str) -> AsyncIterator[tuple[RunningKeeper, HermesSimulator]]:
    async with simulator_running(feeds=3) as simulator, devnet_contract(anvil, simulator) as contract:
        environ = environment(anvil.url, simulator, contract, folder) | {"CONTROL_TOKEN": TOKEN} | settings
        async with keeper_running(environ, folder) as keeper:
            yield keeper, simulator


async def until(stream: AsyncIterator[Received], type_: str) -> list[Received]:
    """All frames up to one of that type."""
    got: list[Received] = []
    async with asyncio.timeout(PATIENCE_S):
        async for frame in stream:
            got.append(frame)
            if frame.event == type_:
                break
    return got


async def test_a_push_is_told_from_its_cause_to_its_end(anvil: Anvil, tmp_path: Path) -> None:
    async with world(anvil, tmp_path) as (keeper, simulator):
        await wait_until(lambda: keeper.told("push_confirmed"))
        async with keeper.session.get(f"{keeper.url}/v1/sse/events?feed={simulator.feed_ids[1]}") as response:
            stream = sse(response)
            first = await until(stream, "on_chain")
            assert first[0].event == "hello"
            feed = simulator.feed_ids[1]
            simulator.publisher.jump(feed, percent=Decimal(2))
            told = await until(stream, "confirmed")
            if all(frame.event != "on_chain" for frame in told):
                told += await until(stream, "on_chain")
    frames = {frame.event: frame.body for frame in told}
    assert {"plan", "sent", "confirmed", "price", "on_chain"} <= frames.keys()
    assert [(each["feed"], each["reason"]) for each in frames["plan"]["feeds"]] == [(feed, "deviation")]
    assert frames["sent"]["tx_hash"] == frames["confirmed"]["tx_hash"]
    assert frames["sent"]["push"] == frames["confirmed"]["push"] == frames["plan"]["push"]
    assert frames["on_chain"]["price"]["value"] == frames["price"]["price"]["value"]
    assert frames["on_chain"]["ours"] is True
    numbers = [int(frame.id.partition("-")[2]) for frame in told if frame.id]
    assert numbers == sorted(set(numbers))


NOT_IN_AN_ORDINARY_RUN = {
    "replaced",  # nothing waits so long that it is outbid
    "retried",  # the node answers
    "reverted",
    "ended",
    "orphaned",  # no block is taken back
    "capped",
    "held",
    "failing",
    "budget",  # there is none
    "coordination",
    "journal",
    "dropped",  # the client is fast
}
"""Types of frames that a keeper without faults has no reason to tell; on a busy machine it may have one."""


async def test_every_frame_is_as_the_document_says(anvil: Anvil, tmp_path: Path) -> None:
    described = Described()
    async with world(anvil, tmp_path) as (keeper, simulator):
        assert (await keeper.get("/v1/asyncapi.json"))[1] == described.document
        await wait_until(lambda: keeper.told("push_confirmed"))
        async with keeper.session.get(f"{keeper.url}/v1/sse/events?last=1000") as response:
            stream = sse(response)
            told = await until(stream, "on_chain")
            simulator.publisher.jump(simulator.feed_ids[1], percent=Decimal(2))
            told += await until(stream, "confirmed")
            keeper.signal(signal.SIGUSR1)
            told += await until(stream, "control")
            if all(frame.event != "final" for frame in told):
                told += await until(stream, "final")
            keeper.signal(signal.SIGTERM)
            told += [frame async for frame in stream]
    for frame in told:
        described.check(frame.body)
    assert {frame.event for frame in told} >= described.types - NOT_IN_AN_ORDINARY_RUN


async def test_orders_are_told_and_a_stop_ends_the_streams_in_order(anvil: Anvil, tmp_path: Path) -> None:
    async with world(anvil, tmp_path) as (keeper, _):
        await wait_until(lambda: keeper.told("push_confirmed"))
        async with (
            keeper.session.get(f"{keeper.url}/v1/sse/events?events=control") as response,
            keeper.session.ws_connect(f"{keeper.url}/v1/ws/events?events=control") as websocket,
        ):
            stream = sse(response)
            await until(stream, "hello")
            headers = {"Authorization": f"Bearer {TOKEN}"}
            for order in ("pause", "resume"):
                async with keeper.session.post(
                    f"{keeper.url}/v1/{order}", headers=headers, json={"by": "alice"}
                ) as done:
                    assert done.status == 200
                (told,) = await until(stream, "control")
                assert (told.body["what"], told.body["network"]) == (order, "evm")
                assert told.body["by"].startswith("alice over HTTP")
            keeper.signal(signal.SIGTERM)
            assert [frame async for frame in stream] == []  # raises where it is cut off: it ends in order
            while (await websocket.receive()).type is not aiohttp.WSMsgType.CLOSE:
                pass
            assert websocket.close_code == aiohttp.WSCloseCode.GOING_AWAY
            assert await keeper.process.wait() == 0


async def test_streams_are_there_only_where_they_are_wanted(anvil: Anvil, tmp_path: Path) -> None:
    async with world(anvil, tmp_path, ENABLE_EVENT_STREAMING="false") as (keeper, _):
        status, body = await keeper.get("/v1/health/streaming")
        assert (status, body["status"], body["event_streaming"]["enabled"]) == (200, "disabled", False)
        assert (await keeper.get("/v1/sse/events"))[0] == 404
        assert (await keeper.get("/v1/ws/events"))[0] == 404
        assert "keeper_event_streaming_up" not in (await keeper.get("/metrics"))[1]
    async with world(anvil, tmp_path, ENABLE_SSE="false") as (keeper, _):
        assert (await keeper.get("/v1/sse/events"))[0] == 404
        assert (await keeper.get("/v1/ws/events"))[0] == 426
        assert "keeper_event_streaming_up 1.0" in (await keeper.get("/metrics"))[1]
