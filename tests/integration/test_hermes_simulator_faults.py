"""Each way in which the simulator can be told to misbehave."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from keeper.domain.accumulator import decode
from keeper.domain.errors import InvalidUpdate
from keeper.lab.hermes import HermesSimulator, SimulatorConfig
from tests.support.hermes import (
    LATEST,
    STREAM,
    RawClient,
    SetClock,
    asking,
    get,
    post_control,
    running,
    updates_of,
)
from tests.support.waiting import wait_until

BY_HAND = SimulatorConfig(interval_ms=0, volatility_ppm=0, feeds=3)
TIMEOUT = b"event:error\ndata:Connection timeout reached (24h)\n\n"
SLOW_CONSUMER = b"event:error\ndata:Slow consumer: disconnected\n\n"


@pytest.fixture
async def simulator() -> AsyncIterator[HermesSimulator]:
    async with running(BY_HAND) as started:
        yield started


@pytest.fixture
async def client(simulator: HermesSimulator) -> AsyncIterator[RawClient]:
    """A stream of all feeds."""
    async with RawClient.open(simulator.url, asking(STREAM, simulator.feed_ids)) as connected:
        yield connected


async def latest(simulator: HermesSimulator) -> dict[str, Any]:
    answer: dict[str, Any] = (await get(simulator.url, asking(LATEST, simulator.feed_ids))).json()
    return answer


async def test_dropped_streams_are_reset(simulator: HermesSimulator, client: RawClient) -> None:
    await simulator.control({"action": "drop"})
    with pytest.raises(ConnectionResetError):
        await client.frame()
    await wait_until(lambda: simulator.state()["streams"] == 0)


async def test_ended_streams_close_cleanly(simulator: HermesSimulator, client: RawClient) -> None:
    simulator.publish()
    await client.event()
    await simulator.control({"action": "end"})
    assert await client.frame() == b""
    assert await client.closed()


@pytest.mark.parametrize(("error", "frame"), [("timeout", TIMEOUT), ("slow_consumer", SLOW_CONSUMER)])
async def test_streams_end_with_an_error_event(
    simulator: HermesSimulator, client: RawClient, error: str, frame: bytes
) -> None:
    await simulator.control({"action": "end", "error": error})
    assert [await client.frame(), await client.frame()] == [frame, b""]
    assert await client.closed()


async def test_streams_end_at_their_greatest_age() -> None:
    async with (
        running(SimulatorConfig(interval_ms=0, max_connection_s=0.1)) as simulator,
        RawClient.open(simulator.url, asking(STREAM, simulator.feed_ids)) as client,
    ):
        assert [await client.frame(), await client.frame()] == [TIMEOUT, b""]


async def test_an_error_event_that_ends_nothing(simulator: HermesSimulator, client: RawClient) -> None:
    await simulator.control({"action": "error", "message": "lagged"})
    simulator.publish()
    assert await client.frame() == b"event:error\ndata:Error receiving update: lagged\n\n"
    assert (await client.event())["parsed"]


async def test_refusals_of_streams_leave_other_routes_and_open_streams_alone(
    simulator: HermesSimulator, client: RawClient
) -> None:
    await simulator.control({"action": "refuse", "how": "503"})
    assert (await get(simulator.url, asking(STREAM, simulator.feed_ids))).status == 503
    assert (await get(simulator.url, asking(LATEST, simulator.feed_ids))).status == 200
    simulator.publish()
    assert (await client.event())["parsed"]


async def test_refusals_of_all_routes_spare_the_control_route(simulator: HermesSimulator) -> None:
    await simulator.control({"action": "refuse", "how": "503", "routes": "all"})
    for target in (asking(LATEST, simulator.feed_ids), "/v2/price_feeds"):
        assert (await get(simulator.url, target)).status == 503
    assert (await post_control(simulator.url, b'{"action":"reset"}')).status == 200
    assert (await get(simulator.url, "/v2/price_feeds")).status == 200


async def test_refused_connections_can_be_reset(simulator: HermesSimulator) -> None:
    await simulator.control({"action": "refuse", "how": "reset"})
    with pytest.raises(ConnectionResetError):
        await get(simulator.url, asking(STREAM, simulator.feed_ids))
    await simulator.control({"action": "refuse", "how": None})
    assert (await get(simulator.url, asking(LATEST, simulator.feed_ids))).status == 200


async def test_a_silent_server_sends_keepalives_only() -> None:
    async with (
        running(SimulatorConfig(interval_ms=0, keepalive_s=0.05)) as simulator,
        RawClient.open(simulator.url, asking(STREAM, simulator.feed_ids)) as client,
    ):
        await simulator.control({"action": "silence"})
        simulator.publish()
        assert [await client.frame() for _ in range(3)] == [b":\n\n"] * 3
        await simulator.control({"action": "silence", "on": False})
        slot = simulator.publish()
        frame = await client.frame()
        while frame == b":\n\n":
            frame = await client.frame()
        assert f'"slot":{slot}'.encode() in frame


async def test_garbage_is_json_cut_short(simulator: HermesSimulator, client: RawClient) -> None:
    await simulator.control({"action": "garbage", "kind": "json"})
    simulator.publish()
    frame = await client.frame()
    assert frame.startswith(b'data:{"binary"')
    with pytest.raises(json.JSONDecodeError):
        json.loads(frame.removeprefix(b"data:"))
    with pytest.raises(json.JSONDecodeError):
        await latest(simulator)


async def test_garbage_is_binary_data_that_is_not_in_its_encoding(
    simulator: HermesSimulator, client: RawClient
) -> None:
    await simulator.control({"action": "garbage", "kind": "encoding"})
    simulator.publish()
    for answer in (await client.event(), await latest(simulator)):
        with pytest.raises(ValueError, match="non-hexadecimal"):
            updates_of(answer)


async def test_garbage_is_an_update_cut_short(simulator: HermesSimulator, client: RawClient) -> None:
    await simulator.control({"action": "garbage", "kind": "update"})
    simulator.publish()
    for answer in (await client.event(), await latest(simulator)):
        (text,) = answer["binary"]["data"]
        assert text.startswith("504e4155")
        with pytest.raises(InvalidUpdate):
            decode(bytes.fromhex(text))


async def test_garbage_is_a_line_of_the_length_asked_for(simulator: HermesSimulator, client: RawClient) -> None:
    await simulator.control({"action": "garbage", "kind": "long_line", "line_bytes": 3_000_000})
    simulator.publish()
    assert len(await client.frame()) > 3_000_000
    await simulator.control({"action": "garbage", "kind": None})
    simulator.publish()
    assert (await client.event())["parsed"]


async def test_frozen_publish_times_stand_still(simulator: HermesSimulator, client: RawClient) -> None:
    await simulator.control({"action": "shift", "seconds": -100})
    simulator.publish()
    await simulator.control({"action": "freeze", "feeds": ["BTC/USD"]})
    await simulator.control({"action": "shift", "seconds": 0})
    simulator.publish()
    before, after = [[price["price"]["publish_time"] for price in (await client.event())["parsed"]] for _ in range(2)]
    assert after[0] == before[0]
    assert after[1] > before[1] + 90


async def test_publish_times_can_lie_in_the_future(simulator: HermesSimulator, client: RawClient) -> None:
    await simulator.control({"action": "shift", "seconds": 3600, "feeds": ["ETH/USD"]})
    simulator.publish()
    times = [price["price"]["publish_time"] for price in (await client.event())["parsed"]]
    assert times[1] - times[0] == 3600


async def test_events_and_answers_can_be_late(simulator: HermesSimulator, client: RawClient) -> None:
    await simulator.control({"action": "delay", "stream_ms": 2000, "latest_ms": 100})
    loop = asyncio.get_running_loop()
    start = loop.time()
    first, second = simulator.publish(), simulator.publish()
    slots, came = [], []
    for _ in range(2):
        slots.append((await client.event())["parsed"][0]["metadata"]["slot"])
        came.append(loop.time() - start)
    assert slots == [first, second]
    assert came[0] >= 2
    assert came[1] - came[0] < 2, "both wait at once"
    start = loop.time()
    await latest(simulator)
    assert loop.time() - start >= 0.1


async def test_ended_streams_do_not_wait_for_late_events(simulator: HermesSimulator, client: RawClient) -> None:
    await simulator.control({"action": "delay", "stream_ms": 10_000})
    slot = simulator.publish()
    assert (await latest(simulator))["parsed"][0]["metadata"]["slot"] == slot
    await simulator.control({"action": "end"})
    assert await client.frame() == b""


async def test_a_removed_feed_vanishes_from_events_without_a_word(
    simulator: HermesSimulator, client: RawClient
) -> None:
    await simulator.control({"action": "remove", "feeds": ["ETH/USD"]})
    simulator.publish()
    event = await client.event()
    assert [price["id"] for price in event["parsed"]] == [simulator.feed_ids[0], simulator.feed_ids[2]]
    assert len(updates_of(event)[0].messages) == 2
    refused = await get(simulator.url, asking(LATEST, simulator.feed_ids))
    assert (refused.status, refused.body) == (404, f"Price ids not found: 0x{simulator.feed_ids[1]}".encode())
    assert len((await get(simulator.url, "/v2/price_feeds")).json()) == 2


async def test_forged_updates_are_proven_but_signed_by_strangers(simulator: HermesSimulator, client: RawClient) -> None:
    await simulator.control({"action": "forge"})
    simulator.publish()
    (forged,) = updates_of(await client.event())
    assert forged.is_proven
    assert set(forged.signers()) == {0}
    assert forged.signers()[0] not in simulator.signers


async def test_a_posted_jump_is_streamed_at_once(simulator: HermesSimulator, client: RawClient) -> None:
    answer = await post_control(simulator.url, b'{"action":"jump","feed":"BTC/USD","percent":1}')
    assert answer.status == 200
    event = await client.event()
    assert event["parsed"][0]["price"]["price"] == "6565000000000"
    assert updates_of(event)[0].prices()[0]["price"] == 6_565_000_000_000
    assert answer.json()["feeds"][0]["price"] == "6565000000000"


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"", b"not JSON"),
        (b"{", b"not JSON"),
        (b"\xff", b"not JSON"),
        (b"[" * 100_000, b"not JSON"),
        (b"[]", b"the actions are publish, jump"),
        (b'{"action":"explode"}', b"the actions are publish, jump"),
        (b'{"action":"drop","hard":true}', b"unknown field `hard`"),
        (b'{"action":"jump","feed":"NO/ONE","percent":1}', b"no feed 'NO/ONE'"),
        (b'{"action":"jump","feed":"BTC/USD","percent":1e400}', b"out of range"),
        (b'{"action":"jump","feed":"BTC/USD","percent":"1e400"}', b"cannot jump"),
    ],
)
async def test_bad_control_requests_are_answered_and_change_nothing(
    simulator: HermesSimulator, client: RawClient, body: bytes, complaint: bytes
) -> None:
    state = simulator.state()
    async with RawClient.open(
        simulator.url, "/control", method="POST", headers="" if body else "Content-Length: 0\r\n", body=body
    ) as posted:
        answer = await posted.answer()
    assert answer.status == 400
    assert complaint in answer.body
    assert simulator.state() == state
    simulator.publish()
    assert (await client.event())["parsed"]


async def test_a_slow_consumer_is_disconnected_and_slows_nobody() -> None:
    config = SimulatorConfig(interval_ms=0, feeds=500, buffer_events=4)
    async with running(config) as simulator:
        target = asking(STREAM, simulator.feed_ids)
        async with RawClient.open(simulator.url, target) as slow, RawClient.open(simulator.url, target) as quick:
            await publish_until_one_is_behind(simulator, quick)
            frames = [await slow.frame()]
            while frames[-1]:
                frames.append(await slow.frame())
            assert frames[-2:] == [SLOW_CONSUMER, b""]
            assert all(frame.startswith(b"data:{") for frame in frames[:-2])
            simulator.publish()
            assert (await quick.event())["parsed"]


async def test_a_consumer_that_reads_nothing_at_all_is_cut_off() -> None:
    config = SimulatorConfig(interval_ms=0, feeds=500, buffer_events=4)
    async with running(config) as simulator:
        target = asking(STREAM, simulator.feed_ids)
        async with RawClient.open(simulator.url, target), RawClient.open(simulator.url, target) as quick:
            await publish_until_one_is_behind(simulator, quick)
            await wait_until(lambda: simulator.state()["streams"] == 1)


async def publish_until_one_is_behind(simulator: HermesSimulator, quick: RawClient) -> None:
    """Fill the other stream's buffers; the quick one gets every slot meanwhile."""
    for _ in range(200):
        slot = simulator.publish()
        assert (await quick.event())["parsed"][0]["metadata"]["slot"] == slot
        if any(stream.is_ending for stream in simulator.publisher.streams):
            return
    raise AssertionError("no consumer ever fell behind")


async def test_whoever_watches_learns_what_stopped_the_slots() -> None:
    clock = BrokenClock()
    async with running(SimulatorConfig(interval_ms=1), clock) as simulator:
        watch = asyncio.create_task(simulator.watch())
        clock.is_broken = True
        with pytest.raises(RuntimeError, match="no time"):
            await watch


class BrokenClock(SetClock):
    is_broken = False

    def __call__(self) -> float:
        if self.is_broken:
            raise RuntimeError("no time")
        return self.now


async def test_streams_of_gone_clients_are_forgotten(simulator: HermesSimulator) -> None:
    async with RawClient.open(simulator.url, asking(STREAM, simulator.feed_ids)):
        await wait_until(lambda: simulator.state()["streams"] == 1)
    await wait_until(lambda: simulator.state()["streams"] == 0)


async def test_a_stopped_simulator_ends_its_streams_and_starts_again_on_its_port(
    simulator: HermesSimulator, client: RawClient
) -> None:
    port = int(simulator.url.rpartition(":")[2])
    await simulator.stop()
    assert await client.frame() == b""
    with pytest.raises(ConnectionRefusedError):
        await latest(simulator)
    await simulator.start(port=port)
    assert len((await latest(simulator))["parsed"]) == 3
