"""From what happens to the frame that tells it."""

from collections.abc import Iterable, Mapping
from typing import TypeAlias, assert_never

from keeper.domain.events import (
    Event,
    FailingRepeatedly,
    FeeCapReached,
    PushFinal,
    PushFinished,
    PushHeld,
    PushOrphaned,
    PushPlanned,
    PushRetried,
    PushSent,
)
from keeper.domain.events.seen import (
    OnChainSeen,
    PriceSeen,
    SeenEvent,
    VerdictSeen,
)
from keeper.domain.sightings import Origin
from keeper.domain.transaction import Outcome
from keeper.domain.units import FeedId
from keeper.server.decimals import decimal_text
from keeper.server.streams.figures import amount, hex_text, milliseconds, price_figures
from keeper.server.streams.frame_parts import (
    Feed,
)
from keeper.server.streams.frames import (
    AnyFrame,
)
from keeper.server.streams.push_frames import (
    CappedFrame,
    ConfirmedFrame,
    EndedFrame,
    FailingFrame,
    FinalFrame,
    HeldFrame,
    OrphanedFrame,
    PlanFrame,
    PlannedFeed,
    ReplacedFrame,
    RetriedFrame,
    RevertedFrame,
    SentFrame,
)
from keeper.server.streams.state_frames import (
    OnChainFrame,
    PriceFrame,
    VerdictFrame,
)
from keeper.server.streams.state_wire import state_frame

Streamed: TypeAlias = Event | SeenEvent

_PPM_AS_PERCENT = -4
_ENDS: Mapping[Outcome, type[ConfirmedFrame | RevertedFrame]] = {
    Outcome.CONFIRMED: ConfirmedFrame,
    Outcome.REVERTED: RevertedFrame,
}


class Wire:
    """Knows what feeds are called."""

    def __init__(self, aliases: Mapping[FeedId, str]) -> None:
        self._aliases = aliases

    def rename(self, aliases: Mapping[FeedId, str]) -> None:
        """Call feeds so from now on."""
        self._aliases = aliases

    def frame(self, event: Streamed, id_: str, at: float) -> AnyFrame:
        """The frame for an event that happened at `at`, Unix seconds."""
        at = round(at, 3)
        match event:
            case PriceSeen() | VerdictSeen() | OnChainSeen():
                return _feed_frame(event, id_, at)
            case PushPlanned() | PushSent() | PushRetried() | PushOrphaned() | PushFinal() | FeeCapReached():
                return self._step_frame(event, id_, at)
            case PushFinished():
                return self._end_frame(event, id_, at)
            case PushHeld(network=network, feeds=feeds):
                return HeldFrame(id=id_, at=at, network=network, feeds=self._feeds(feeds))
            case FailingRepeatedly(network=network, failures=failures, cause=cause):
                return FailingFrame(id=id_, at=at, network=network, failures=failures, cause=cause)
            case _:
                return state_frame(event, id_, at)

    def _step_frame(
        self,
        event: PushPlanned | PushSent | PushRetried | PushOrphaned | PushFinal | FeeCapReached,
        id_: str,
        at: float,
    ) -> AnyFrame:
        network, push = event.network, event.push
        match event:
            case PushPlanned():
                return PlanFrame(
                    id=id_,
                    at=at,
                    network=network,
                    push=push,
                    feeds=[PlannedFeed(feed, self._alias(feed), reason) for feed, reason in event.feeds],
                    gas=event.gas,
                    update_fee=amount(event.update_fee),
                    dry_run=event.dry_run,
                )
            case PushSent():
                kind = ReplacedFrame if event.replaces else SentFrame
                return kind(
                    id=id_,
                    at=at,
                    network=network,
                    push=push,
                    nonce=event.nonce,
                    tx_hash=hex_text(event.tx_hash),
                    feeds=self._feeds(event.feeds),
                    endpoint=event.endpoint,
                    event_to_sent_ms=milliseconds(event.event_to_sent_s),
                )
            case PushRetried(attempt=attempt, error=error, delay_s=delay_s):
                return RetriedFrame(
                    id=id_, at=at, network=network, push=push, attempt=attempt, error=error, delay_s=delay_s
                )
            case PushOrphaned(tx_hash=tx_hash):
                return OrphanedFrame(id=id_, at=at, network=network, push=push, tx_hash=hex_text(tx_hash))
            case PushFinal(tx_hash=tx_hash):
                return FinalFrame(id=id_, at=at, network=network, push=push, tx_hash=hex_text(tx_hash))
            case FeeCapReached(max_fee=max_fee):
                return CappedFrame(id=id_, at=at, network=network, push=push, max_fee=amount(max_fee))
            case _:
                assert_never(event)

    def _end_frame(self, event: PushFinished, id_: str, at: float) -> AnyFrame:
        kind: type[ConfirmedFrame | RevertedFrame | EndedFrame] = _ENDS.get(event.outcome, EndedFrame)
        return kind(
            id=id_,
            at=at,
            network=event.network,
            push=event.push,
            outcome=event.outcome,
            feeds=self._feeds(event.feeds),
            tx_hash=None if event.tx_hash is None else hex_text(event.tx_hash),
            block=event.block,
            gas_used=event.gas_used,
            cost=None if event.cost is None else amount(event.cost.total),
            latency_ms=None if event.latency_s is None else milliseconds(event.latency_s),
            retries=event.retries,
            detail=event.detail,
        )

    def _feeds(self, feeds: Iterable[FeedId]) -> list[Feed]:
        return [Feed(feed, self._alias(feed)) for feed in feeds]

    def _alias(self, feed: FeedId) -> str:
        return self._aliases.get(feed, feed)


def _feed_frame(event: PriceSeen | VerdictSeen | OnChainSeen, id_: str, at: float) -> AnyFrame:
    network, feed, alias = event.network, event.feed, event.alias
    match event:
        case PriceSeen(price=price, source=source):
            return PriceFrame(
                id=id_, at=at, network=network, feed=feed, alias=alias, price=price_figures(price), source=source
            )
        case VerdictSeen(judgement=judgement, deviation_ppm=deviation):
            return VerdictFrame(
                id=id_,
                at=at,
                network=network,
                feed=feed,
                alias=alias,
                verdict=judgement.verdict,
                reason=judgement.reason,
                deviation_percent=None if deviation is None else decimal_text(deviation, _PPM_AS_PERCENT),
            )
        case OnChainSeen(price=price, origin=origin):
            ours = None if origin is None else origin is Origin.SELF
            return OnChainFrame(
                id=id_, at=at, network=network, feed=feed, alias=alias, price=price_figures(price), ours=ours
            )
        case _:
            assert_never(event)
