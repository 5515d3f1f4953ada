"""Every event has a frame, as its type says, and every type of frame is told by something."""

import json
from dataclasses import replace
from typing import Any, get_args

import msgspec
import pytest

from keeper.domain.events import PushSent
from keeper.domain.events.seen import (
    BalanceSeen,
    ConfigSeen,
    EndpointSeen,
    HealthSeen,
    OnChainSeen,
    PriceSeen,
    SeenEvent,
    VerdictSeen,
)
from keeper.domain.policy import DUE, Reason
from keeper.domain.sightings import Origin
from keeper.domain.status import ConfigStatus, EndpointState, EndpointStatus
from keeper.domain.units import Wei
from keeper.server.streams.frames import AnyFrame
from keeper.server.streams.messages import chunk, sse_event, websocket_text
from keeper.server.streams.topics import PRIORITIES
from keeper.server.streams.wire import Streamed, Wire
from tests.support.status import BTC
from tests.unit.app.test_log_events import CONFIRMED, EVENTS, FEEDS, PLANNED

assert BTC.source is not None
assert BTC.on_chain is not None
AT = 1_760_000_000.25049
SENT = PushSent("evm", 7, 3, b"\x02" * 32, FEEDS, "node", 0.00214)
SEEN: tuple[SeenEvent, ...] = (
    PriceSeen("evm", BTC.feed_id, "BTC/USD", BTC.source, "hermes"),
    VerdictSeen("evm", BTC.feed_id, "BTC/USD", DUE[Reason.DEVIATION], 999),
    OnChainSeen("evm", BTC.feed_id, "BTC/USD", BTC.on_chain, Origin.SELF),
    EndpointSeen("evm", EndpointStatus("node", EndpointState.RESTING, "no answer")),
    BalanceSeen("evm", Wei(10**18), None),
    ConfigSeen(ConfigStatus("", ("RPC_URL",))),
    HealthSeen("degraded", (("source:hermes", "is polled"),)),
)
ALL: tuple[Streamed, ...] = (*(event for event, _, _ in EVENTS), replace(SENT, replaces=True), *SEEN)
WIRE = Wire({FEEDS[0]: "BTC/USD"})


def told(event: Streamed) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(msgspec.json.encode(WIRE.frame(event, "0badcafe-7", AT)))
    return shown


def test_every_type_is_told_by_some_event_and_has_a_priority() -> None:
    types = {str(frame.__struct_config__.tag) for frame in get_args(AnyFrame)}
    assert types == {told(event)["type"] for event in ALL} == set(PRIORITIES)


def test_every_kind_of_event_is_tried_here() -> None:
    assert {type(event) for event in ALL} == set(get_args(Streamed))


@pytest.mark.parametrize("event", ALL, ids=lambda event: type(event).__name__)
def test_a_frame_can_be_read_by_its_type(event: Streamed) -> None:
    frame = WIRE.frame(event, "0badcafe-7", AT)
    assert msgspec.json.decode(msgspec.json.encode(frame), type=AnyFrame) == frame
    assert (frame.id, frame.at) == ("0badcafe-7", 1_760_000_000.25)


def test_tells_a_price_as_the_status_does() -> None:
    assert told(SEEN[0]) == {
        "type": "price",
        "id": "0badcafe-7",
        "at": 1_760_000_000.25,
        "network": "evm",
        "feed": BTC.feed_id,
        "alias": "BTC/USD",
        "price": {
            "price": "6140993501000",
            "conf": "3287868567",
            "expo": -8,
            "value": "61409.93501000",
            "publish_time": 1_759_999_999,
        },
        "source": "hermes",
    }


def test_tells_a_push_from_its_plan_to_its_end() -> None:
    feeds: list[dict[str, str]] = [{"feed": FEEDS[0], "alias": "BTC/USD"}, {"feed": FEEDS[1], "alias": FEEDS[1]}]
    plan, sent, end = told(PLANNED), told(SENT), told(CONFIRMED)
    assert (plan["type"], plan["push"], plan["update_fee"]) == (
        "plan",
        7,
        {"wei": "2", "native": "0.000000000000000002"},
    )
    assert plan["feeds"] == [feeds[0] | {"reason": "deviation"}, feeds[1] | {"reason": "joins_cheaper"}]
    assert (sent["type"], sent["feeds"], sent["event_to_sent_ms"]) == ("sent", feeds, 2.1)
    assert (end["type"], end["outcome"], end["tx_hash"]) == ("confirmed", "confirmed", "0x" + "01" * 32)
    assert (end["latency_ms"], end["cost"]) == (412.4, {"wei": "241912000120958", "native": "0.000241912000120958"})


def test_calls_feeds_as_they_are_called_now() -> None:
    wire = Wire({})
    wire.rename({FEEDS[0]: "XBT/USD"})
    assert b'"alias":"XBT/USD"' in msgspec.json.encode(wire.frame(SENT, "0badcafe-7", AT))


def test_encodes_events_and_chunks_as_the_standards_say() -> None:
    assert sse_event("plan", b"{}", "a-1") == b"1e\r\nid: a-1\nevent: plan\ndata: {}\n\n\r\n"
    assert sse_event("dropped", b"{}", None) == chunk(b"event: dropped\ndata: {}\n\n")


@pytest.mark.parametrize(
    ("size", "head"),
    [
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (65_535, b"\x81\x7e\xff\xff"),
        (65_536, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_a_websocket_frame_tells_its_length(size: int, head: bytes) -> None:
    assert websocket_text(b"x" * size) == head + b"x" * size
