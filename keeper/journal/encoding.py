"""Plans and stored prices as JSON: readable in the database, and read back when the keeper starts again."""

import msgspec

from keeper.domain.gas import PushShape
from keeper.domain.plan import Plan
from keeper.domain.policy import Reason
from keeper.domain.price import Price
from keeper.domain.transaction import FeedWrite, Receipt
from keeper.domain.units import FeedId, Gas, Wei


class PlannedFeed(msgspec.Struct, frozen=True):
    """One feed of a push: why it is in it, and the price that it brings."""

    reason: Reason
    price: int
    conf: int
    expo: int
    publish_time: int


class PlanText(msgspec.Struct, frozen=True):
    """What the table of attempts says of a plan besides its gas limit and its value."""

    feeds: dict[FeedId, PlannedFeed]
    first_writes: int
    blobs: int
    signatures: int
    complete: bool
    triggers: tuple[FeedId, ...] = ()


class Write(msgspec.Struct, frozen=True):
    """One price that the contract stored."""

    feed: FeedId
    price: int
    conf: int
    publish_time: int


class PushText(msgspec.Struct, frozen=True):
    """What the table of pushes says besides its columns."""

    writes: list[Write]
    error: str = ""


_encoder = msgspec.json.Encoder()


def encode_plan(plan: Plan) -> str:
    """The plan without its update data and without times of the monotonic clock."""
    feeds = {feed_id: PlannedFeed(reason, *plan.prices[feed_id]) for feed_id, reason in plan.feeds}
    shape = plan.shape
    text = PlanText(feeds, shape.first_writes, shape.blobs, shape.signatures, plan.complete, plan.triggers)
    return _encoder.encode(text).decode()


def plan_of(decoded: object, *, gas_limit: Gas, value: Wei) -> Plan:
    """The plan that `encode_plan` encoded; `newest_arrival` is 0, since that clock starts anew with the machine."""
    held = msgspec.convert(decoded, PlanText)
    return Plan(
        feeds=tuple((feed_id, feed.reason) for feed_id, feed in held.feeds.items()),
        prices={
            feed_id: Price(feed.price, feed.conf, feed.expo, feed.publish_time) for feed_id, feed in held.feeds.items()
        },
        blobs=(),
        shape=PushShape(len(held.feeds), held.first_writes, held.blobs, held.signatures, len(held.triggers)),
        gas_limit=gas_limit,
        value=value,
        newest_arrival=0.0,
        complete=held.complete,
        triggers=held.triggers,
    )


def encode_effect(receipt: Receipt | None) -> str:
    """The prices that the contract stored, or its error."""
    if receipt is None:
        return _encoder.encode(PushText([])).decode()
    told = [Write(each.feed_id, each.price, each.conf, each.publish_time) for each in receipt.writes]
    return _encoder.encode(PushText(told, receipt.error)).decode()


def effect_of(decoded: object) -> tuple[tuple[FeedWrite, ...], str]:
    """The prices and the error that `encode_effect` encoded."""
    held = msgspec.convert(decoded, PushText)
    return tuple(FeedWrite(each.feed, each.publish_time, each.price, each.conf) for each in held.writes), held.error
