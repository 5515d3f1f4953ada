"""The journal for machines: as JSON, and as rows of CSV. Amounts are whole wei, as text, since they exceed 64 bits."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import msgspec

from keeper.app.moments import day_text, iso_text
from keeper.domain.units import FeedId
from keeper.journal.stories import AttemptStory, CostLine, NoteStory, PushStory

NameFeed: TypeAlias = Callable[[FeedId], str | None]
"""Its alias, if it has one."""


class WriteView(msgspec.Struct):
    """What the contract stored of a feed; the price and its confidence without the exponent, which no event tells."""

    price: str
    conf: str
    publish_time: int


class FeedView(msgspec.Struct):
    """A feed in a push; what was written of it, and its share of the cost, once that is known."""

    feed: str
    alias: str | None
    reason: str
    wrote: WriteView | None
    gas_cost_wei: str | None
    update_fee_wei: str | None


class AttemptView(msgspec.Struct):
    """One transaction of a push."""

    tx_hash: str
    nonce: int
    fate: str
    signed_at: str | None
    sent_at: str | None
    fee_cap_wei: str
    tip_wei: str
    gas_limit: int | None
    value_wei: str
    cancels: bool
    feeds: list[str]


class NoteView(msgspec.Struct):
    """One line of a push's history."""

    at: str | None
    kind: str
    tx_hash: str | None
    endpoint: str
    detail: str


class PushView(msgspec.Struct):
    """One push."""

    network: str
    account: str
    push: int
    nonce: int
    state: str
    outcome: str | None
    retry_count: int
    problem: str
    decided_at: str | None
    mined_at: str | None
    ended_at: str | None
    tx_hash: str | None
    block: int | None
    gas_used: int | None
    gas_price_wei: str | None
    gas_cost_wei: str | None
    l1_fee_wei: str | None
    update_fee_wei: str | None
    cost_wei: str | None
    feeds: list[FeedView]
    attempts: list[AttemptView]
    history: list[NoteView]

    def row(self) -> dict[str, object]:
        """As a row of CSV: feeds by id with blanks between, attempts counted."""
        values = msgspec.structs.asdict(self)
        del values["history"]
        return values | {"feeds": " ".join(feed.feed for feed in self.feeds), "attempts": len(self.attempts)}


class CostView(msgspec.Struct):
    """What mined pushes cost, of one day and feed as far as these were told apart."""

    network: str
    day: str | None
    feed: str | None
    alias: str | None
    pushes: int
    gas_cost_wei: str
    update_fee_wei: str
    cost_wei: str

    def row(self) -> dict[str, object]:
        """As a row of CSV."""
        return msgspec.structs.asdict(self)


def push_view(story: PushStory, name: NameFeed) -> PushView:
    """A push."""
    return PushView(
        network=story.network,
        account=story.account,
        push=story.push,
        nonce=story.nonce,
        state=story.state,
        outcome=story.outcome,
        retry_count=story.retry_count,
        problem=story.problem,
        decided_at=iso_text(story.decided_at),
        mined_at=iso_text(story.mined_at),
        ended_at=iso_text(story.ended_at),
        tx_hash=hex_text(story.tx_hash),
        block=story.block_number,
        gas_used=story.gas_used,
        gas_price_wei=_wei(story.gas_price),
        gas_cost_wei=_wei(story.gas_cost),
        l1_fee_wei=_wei(story.l1_fee),
        update_fee_wei=_wei(story.update_fee),
        cost_wei=_wei(story.cost),
        feeds=_feeds(story, name),
        attempts=[_attempt(attempt) for attempt in story.attempts],
        history=[_note(note) for note in story.notes],
    )


def cost_view(line: CostLine, name: NameFeed) -> CostView:
    """A line of costs."""
    return CostView(
        network=line.network,
        day=None if line.day is None else day_text(line.day),
        feed=line.feed,
        alias=None if line.feed is None else name(line.feed),
        pushes=line.pushes,
        gas_cost_wei=str(line.gas_cost),
        update_fee_wei=str(line.update_fee),
        cost_wei=str(line.gas_cost + line.update_fee),
    )


def hex_text(value: bytes | None) -> str | None:
    """0x and digits; None for nothing."""
    return f"0x{value.hex()}" if value else None


def _feeds(story: PushStory, name: NameFeed) -> list[FeedView]:
    shares: Mapping[FeedId, tuple[int, int]] = {
        share.feed: (share.gas_cost, share.update_fee) for share in story.feed_costs
    }
    wrote = {each.feed_id: WriteView(str(each.price), str(each.conf), each.publish_time) for each in story.writes}
    views = []
    for feed, reason in story.feeds.items():
        gas_cost, update_fee = shares.get(feed, (None, None))
        views.append(FeedView(feed, name(feed), reason, wrote.get(feed), _wei(gas_cost), _wei(update_fee)))
    return views


def _attempt(attempt: AttemptStory) -> AttemptView:
    return AttemptView(
        tx_hash=f"0x{attempt.hash.hex()}",
        nonce=attempt.nonce,
        fate=attempt.fate,
        signed_at=iso_text(attempt.signed_at),
        sent_at=iso_text(attempt.sent_at),
        fee_cap_wei=str(attempt.fee_cap),
        tip_wei=str(attempt.tip),
        gas_limit=attempt.gas_limit,
        value_wei=str(attempt.value),
        cancels=attempt.cancels,
        feeds=list(attempt.feeds),
    )


def _note(note: NoteStory) -> NoteView:
    return NoteView(iso_text(note.at), note.kind, hex_text(note.tx_hash), note.endpoint, note.detail)


def _wei(amount: int | None) -> str | None:
    return None if amount is None else str(amount)
