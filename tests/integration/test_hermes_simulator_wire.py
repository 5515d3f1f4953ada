"""The simulator's bytes are those of Hermes, and every price in them is proven and signed."""

import base64
import json
import time
from typing import Any

import pytest

from keeper.lab.hermes import SimulatorConfig
from keeper.lab.hermes.signers import devnet_signer_keys
from tests.support.hermes import LATEST, NOON, STREAM, RawClient, SetClock, asking, get, running, updates_of
from tests.support.pnau import read_pnau

BY_HAND = SimulatorConfig(interval_ms=0, volatility_ppm=0, feeds=5)


def from_messages(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """What `parsed` must be, read from the binary part of the answer."""
    return [
        {
            "id": price["feed_id"],
            "price": {
                "price": str(price["price"]),
                "conf": str(price["conf"]),
                "expo": price["expo"],
                "publish_time": price["publish_time"],
            },
            "ema_price": {
                "price": str(price["ema_price"]),
                "conf": str(price["ema_conf"]),
                "expo": price["expo"],
                "publish_time": price["publish_time"],
            },
            "metadata": {
                "slot": update.slot,
                "proof_available_time": update.timestamp,
                "prev_publish_time": price["prev_publish_time"],
            },
        }
        for update in updates_of(answer)
        for price in update.prices()
    ]


async def test_an_event_is_what_hermes_writes_byte_for_byte() -> None:
    clock = SetClock()
    async with running(BY_HAND, clock) as simulator:
        btc = simulator.feed_ids[0]
        async with RawClient.open(simulator.url, asking(STREAM, [btc])) as client:
            clock.now = NOON + 2.9
            slot = simulator.publish()
            frame = await client.frame()
    (blob,) = json.loads(frame.removeprefix(b"data:"))["binary"]["data"]
    expected = (
        f'data:{{"binary":{{"encoding":"hex","data":["{blob}"]}},"parsed":[{{"id":"{btc}",'
        f'"price":{{"price":"6500000000000","conf":"3250000000","expo":-8,"publish_time":{NOON + 2}}},'
        f'"ema_price":{{"price":"6500000000000","conf":"3250000000","expo":-8,"publish_time":{NOON + 2}}},'
        f'"metadata":{{"slot":{slot},"proof_available_time":{NOON + 2},"prev_publish_time":{NOON}}}}}]}}\n\n'
    )
    assert frame == expected.encode()
    pnau = read_pnau(bytes.fromhex(blob))
    assert pnau.is_proven
    assert pnau.signers() == {0: simulator.signers[0]}
    assert (client.status, client.headers["content-type"]) == (200, "text/event-stream")


async def test_each_event_holds_all_subscribed_feeds_in_the_order_asked_for() -> None:
    async with running(BY_HAND) as simulator:
        asked = [simulator.feed_ids[index] for index in (3, 0, 4)]
        async with RawClient.open(simulator.url, asking(STREAM, ["0x" + asked[0].upper(), *asked[1:]])) as client:
            for _ in range(2):
                slot = simulator.publish()
                event = await client.event()
                assert [price["id"] for price in event["parsed"]] == asked
                assert event["parsed"] == from_messages(event)
                assert [update.slot for update in updates_of(event)] == [slot]


async def test_base64_holds_the_same_update_as_hex() -> None:
    async with running(BY_HAND) as simulator:
        target = asking(STREAM, simulator.feed_ids)
        async with (
            RawClient.open(simulator.url, target) as in_hex,
            RawClient.open(simulator.url, target + "&encoding=base64") as in_base64,
        ):
            simulator.publish()
            first, second = await in_hex.event(), await in_base64.event()
    assert second["binary"]["encoding"] == "base64"
    assert [base64.b64decode(text).hex() for text in second["binary"]["data"]] == first["binary"]["data"]
    assert second["parsed"] == first["parsed"]


async def test_parsed_prices_are_left_out_when_not_wanted() -> None:
    async with running(BY_HAND) as simulator:
        target = asking(STREAM, simulator.feed_ids, parsed="false")
        async with RawClient.open(simulator.url, target) as client:
            simulator.publish()
            assert list(await client.event()) == ["binary"]


async def test_a_url_of_500_ids_is_answered_with_two_elements() -> None:
    async with running(SimulatorConfig(interval_ms=0, feeds=500)) as simulator:
        target = asking(STREAM, simulator.feed_ids)
        assert len(target) > 35_000
        async with RawClient.open(simulator.url, target) as client:
            simulator.publish()
            event = await client.event()
    updates = updates_of(event)
    assert [len(update.messages) for update in updates] == [255, 245]
    assert all(update.is_proven for update in updates)
    assert event["parsed"] == from_messages(event)
    assert [price["id"] for price in event["parsed"]] == simulator.feed_ids


async def test_nothing_is_sent_at_connect_but_keepalives() -> None:
    async with (
        running(SimulatorConfig(interval_ms=0, keepalive_s=0.05)) as simulator,
        RawClient.open(simulator.url, asking(STREAM, simulator.feed_ids[:1])) as client,
    ):
        assert [await client.frame() for _ in range(2)] == [b":\n\n"] * 2
        simulator.publish()
        frame = await client.frame()
        while frame == b":\n\n":
            frame = await client.frame()
        assert frame.startswith(b"data:")


async def test_slots_come_by_themselves_one_by_one_with_the_wall_clocks_whole_seconds() -> None:
    async with (
        running(SimulatorConfig(interval_ms=20)) as simulator,
        RawClient.open(simulator.url, asking(STREAM, simulator.feed_ids)) as client,
    ):
        prices = [(await client.event())["parsed"][0] for _ in range(5)]
    slots = [price["metadata"]["slot"] for price in prices]
    assert slots == list(range(slots[0], slots[0] + 5))
    assert all(abs(price["price"]["publish_time"] - time.time()) < 5 for price in prices)
    assert len({price["price"]["price"] for price in prices}) > 1


async def test_benchmarks_only_sends_the_first_price_of_each_second() -> None:
    clock = SetClock()
    async with running(BY_HAND, clock) as simulator:
        target = asking(STREAM, simulator.feed_ids[:1], benchmarks_only="true")
        async with RawClient.open(simulator.url, target) as client:
            frames = []
            for second in (1, 1, 2):
                clock.now = NOON + second
                simulator.publish()
                frames.append(await client.frame())
    assert [frame.startswith(b"data:{") for frame in frames] == [True, False, True]
    assert frames[1] == b":No update available\n\n"


async def test_latest_answers_with_the_newest_slot() -> None:
    async with running(BY_HAND) as simulator:
        slot = simulator.publish()
        answer = await get(simulator.url, asking(LATEST, simulator.feed_ids))
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json()["parsed"] == from_messages(answer.json())
    assert [(update.slot, update.is_proven) for update in updates_of(answer.json())] == [(slot, True)]


async def test_latest_may_serve_feeds_of_two_slots() -> None:
    async with running(BY_HAND) as simulator:
        slot = simulator.publish()
        await simulator.control({"action": "split_slots"})
        answer = (await get(simulator.url, asking(LATEST, simulator.feed_ids))).json()
    updates = updates_of(answer)
    assert [update.slot for update in updates] == [slot, slot - 1]
    assert all(update.is_proven for update in updates)
    assert [price["metadata"]["slot"] for price in answer["parsed"]] == [slot, slot - 1, slot, slot - 1, slot]
    assert sorted(map(str, answer["parsed"])) == sorted(map(str, from_messages(answer)))


async def test_price_feeds_tells_symbols_and_asset_types() -> None:
    async with running(BY_HAND) as simulator:
        listed = (await get(simulator.url, "/v2/price_feeds?query=eur&asset_type=fx")).json()
        everything = (await get(simulator.url, "/v2/price_feeds")).json()
    assert [feed["id"] for feed in everything] == simulator.feed_ids
    assert listed == [everything[3]]
    assert listed[0]["attributes"]["symbol"] == "FX.EUR/USD"
    assert listed[0]["attributes"]["asset_type"] == "FX"


@pytest.mark.parametrize(("count", "quorum"), [(5, 3), (19, 13)])
async def test_signs_by_a_quorum_of_many_signers(count: int, quorum: int) -> None:
    config = SimulatorConfig(interval_ms=0, signer_keys=devnet_signer_keys(count), quorum=quorum)
    async with running(config) as simulator:
        answer = (await get(simulator.url, asking(LATEST, simulator.feed_ids))).json()
    (update,) = updates_of(answer)
    recovered = update.signers()
    assert len(recovered) == quorum == simulator.quorum
    assert all(simulator.signers[index] == address for index, address in recovered.items())
