"""From prices, the on-chain view and policies to the push that is worth its gas now."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from keeper.domain.accumulator import MAX_MESSAGES
from keeper.domain.fees import joins_cheaper
from keeper.domain.gas import FIXED, PER_FEED, PushShape
from keeper.domain.policy import Early, FeedPolicy, Judgement, Reason, Verdict
from keeper.domain.price import Price
from keeper.domain.units import FeedId, Gas, Wei
from keeper.pipeline.buffer import Buffer, Sourced, group_by_update
from keeper.pipeline.tracker import OnChainView

MAX_UPDATE_BYTES = 120_000
"""Nodes refuse transactions over 128 KiB."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One push: the feeds with their reasons, and the update data that holds just these."""

    feeds: tuple[tuple[FeedId, Reason], ...]
    prices: Mapping[FeedId, Price]
    blobs: tuple[bytes, ...]
    shape: PushShape
    gas_limit: Gas
    value: Wei
    newest_arrival: float
    """Monotonic seconds at which the newest price in it arrived."""
    complete: bool
    """Whether all that is due fits; if not, the rest follows as a push of its own."""

    @property
    def feed_ids(self) -> tuple[FeedId, ...]:
        """Just the feeds."""
        return tuple(feed_id for feed_id, _ in self.feeds)


class Planner:
    """Judges every feed and makes the plan."""

    def __init__(self, *, policies: Mapping[FeedId, FeedPolicy], buffer: Buffer, view: OnChainView) -> None:
        self._policies = policies
        self._buffer = buffer
        self._view = view

    def judge(self, feed_id: FeedId, now: float, *, forced: bool = False) -> Judgement:
        """The verdict on one feed at `now` (Unix seconds)."""
        return self._policies[feed_id].judge(self._buffer.price(feed_id), self._view.price(feed_id), now, forced=forced)

    def any_due(self, now: float, forced: Collection[FeedId]) -> bool:
        """Whether any feed is worth a push at `now`."""
        return any(
            self.judge(feed_id, now, forced=feed_id in forced).verdict is Verdict.DUE for feed_id in self._policies
        )

    def plan(self, now: float, forced: Collection[FeedId]) -> Plan | None:
        """The push of everything that is due at `now`, and of what is better off joining it; None if nothing is."""
        due: list[tuple[FeedId, Reason]] = []
        held: list[FeedId] = []
        for feed_id in self._policies:
            judgement = self.judge(feed_id, now, forced=feed_id in forced)
            if judgement.verdict is Verdict.DUE:
                due.append((feed_id, judgement.reason))
            elif judgement.reason is Reason.WITHIN_THRESHOLDS:
                held.append(feed_id)
        if not due:
            return None
        return self._fit(due, list(self._joining(held, now)))

    def _joining(self, held: list[FeedId], now: float) -> Iterable[tuple[FeedId, Reason]]:
        """Which of the feeds that are not due join, by their own early rule."""
        fellows = Counter(self._on_chain(feed_id).publish_time for feed_id in held)
        for feed_id in held:
            policy, source, on_chain = self._policies[feed_id], self._source(feed_id).price, self._on_chain(feed_id)
            match policy.early:
                case Early.NEVER:
                    continue
                case Early.ALWAYS:
                    yield feed_id, Reason.JOINS_ALWAYS
                case Early.RULES:
                    reason = policy.early_rule(source, on_chain, now)
                    if reason is not None:
                        yield feed_id, reason
                case Early.CHEAPER:
                    progress = policy.progress(source, on_chain, now)
                    if self._is_cheaper(progress, fellows[on_chain.publish_time]):
                        yield feed_id, Reason.JOINS_CHEAPER

    def _is_cheaper(self, progress: int, fellows: int) -> bool:
        """Feeds written together fall due together and share the fixed cost of their next push."""
        market, fee = self._view.market, self._view.update_fee
        gas_price = market.gas_price if market.base_fee is None else market.base_fee + market.tip
        return joins_cheaper(
            progress=progress,
            marginal_cost=Wei(PER_FEED * gas_price + (fee.per_message if fee else 0)),
            saved_cost=Wei((FIXED * gas_price + (fee.per_transaction if fee else 0)) // fellows),
        )

    def _fit(self, due: list[tuple[FeedId, Reason]], joining: list[tuple[FeedId, Reason]]) -> Plan:
        """As many as one transaction may hold: the due ones first, never joined by others if they do not all fit."""
        plan = self._build(due + joining, complete=True)
        if self._fits(plan):
            return plan
        plan = self._build(due, complete=True)
        if self._fits(plan):
            return plan
        most, too_many = 1, len(due)
        while too_many - most > 1:
            middle = (most + too_many) // 2
            if self._fits(self._build(due[:middle], complete=False)):
                most = middle
            else:
                too_many = middle
        return self._build(due[:most], complete=False)

    def _fits(self, plan: Plan) -> bool:
        return plan.gas_limit <= self._view.gas_cap and sum(map(len, plan.blobs)) <= MAX_UPDATE_BYTES

    def _build(self, feeds: list[tuple[FeedId, Reason]], *, complete: bool) -> Plan:
        sourced = {feed_id: self._source(feed_id) for feed_id, _ in feeds}
        groups = group_by_update(sourced.items())
        blobs = tuple(
            update.slice(ids[at : at + MAX_MESSAGES])
            for update, ids in groups
            for at in range(0, len(ids), MAX_MESSAGES)
        )
        shape = PushShape(
            feeds=len(feeds),
            first_writes=sum(self._view.price(feed_id) is None for feed_id in sourced),
            blobs=len(blobs),
            signatures=max(update.signature_count for update, _ in groups),
        )
        fee = self._view.update_fee
        return Plan(
            feeds=tuple(feeds),
            prices={feed_id: one.price for feed_id, one in sourced.items()},
            blobs=blobs,
            shape=shape,
            gas_limit=self._view.gas.limit(shape),
            value=Wei(0) if fee is None else fee.of(len(feeds)),
            newest_arrival=max(one.arrived for one in sourced.values()),
            complete=complete,
        )

    def _source(self, feed_id: FeedId) -> Sourced:
        sourced = self._buffer.get(feed_id)
        assert sourced is not None, "only feeds that were judged due or held back by thresholds come here"
        return sourced

    def _on_chain(self, feed_id: FeedId) -> Price:
        price = self._view.price(feed_id)
        assert price is not None, "a feed within its thresholds has an on-chain price"
        return price
