"""From prices, the on-chain view and policies to the push that is worth its gas now."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from keeper.domain.accumulator import MAX_MESSAGES
from keeper.domain.calm import Calm, calm_of
from keeper.domain.fees import UpdateFee, progress_to_join
from keeper.domain.gas import FIXED, PER_FEED, PushShape
from keeper.domain.plan import Plan
from keeper.domain.policy import Early, FeedPolicy, Judgement, Reason, Verdict
from keeper.domain.price import Price
from keeper.domain.units import MILLION, FeedId, Wei
from keeper.pipeline.buffer import Buffer, group_by_update
from keeper.pipeline.tracker import OnChainView

MAX_UPDATE_BYTES = 120_000
"""Nodes refuse transactions over 128 KiB."""
_JOINS = frozenset({Reason.JOINS_ALWAYS, Reason.JOINS_CHEAPER})
_MAY_JOIN = frozenset({Reason.WITHIN_THRESHOLDS, Reason.HELD_BY_BUDGET})


@dataclass(frozen=True, slots=True)
class Survey:
    """The verdicts on all feeds at one moment."""

    now: float
    """Unix seconds."""
    due: Sequence[tuple[FeedId, Reason]]
    held: Sequence[tuple[FeedId, Price, Price]]
    """Feeds that are not due, with their prices at the source and on chain: they may join a push."""
    withheld: Sequence[FeedId]
    """Feeds that only a limit on spending holds back."""
    unsettled: Sequence[FeedId]
    """Feeds that are held back by anything but their thresholds."""


class Planner:
    """Judges every feed and makes the plan."""

    def __init__(
        self,
        *,
        policies: Mapping[FeedId, FeedPolicy],
        buffer: Buffer,
        view: OnChainView,
        conditional: Callable[[], bool],
    ) -> None:
        """`conditional`: whether pushes are to do nothing where somebody was faster."""
        self.policies = policies
        """As far as the budget allows for now."""
        self._buffer = buffer
        self._view = view
        self._conditional = conditional
        self._calm: dict[FeedId, Calm | None] = {}
        """Where feeds need no closer look, as of the last one."""

    def judges(self, feed_id: FeedId) -> bool:
        """Whether the feed is among those that are judged."""
        return feed_id in self.policies

    def judge(self, feed_id: FeedId, now: float, *, forced: bool = False) -> Judgement:
        """The verdict on one feed at `now` (Unix seconds)."""
        return self.policies[feed_id].judge(self._buffer.price(feed_id), self._view.coming(feed_id), now, forced=forced)

    def survey(self, now: float, forced: Collection[FeedId], *, leaving: Collection[FeedId] = frozenset()) -> Survey:
        """The verdicts on all feeds but those of `leaving`, at `now` (Unix seconds)."""
        due: list[tuple[FeedId, Reason]] = []
        held: list[tuple[FeedId, Price, Price]] = []
        withheld: list[FeedId] = []
        unsettled: list[FeedId] = []
        prices, coming, calms = self._buffer.prices, self._view.all_coming(), self._calm
        for feed_id, policy in self.policies.items():
            if feed_id in leaving:
                continue
            source, on_chain, calm = prices.get(feed_id), coming.get(feed_id), calms.get(feed_id)
            if (
                calm is not None
                and source is not None
                and calm.on_chain is on_chain
                and calm.policy is policy
                and calm.holds(source, now)
                and feed_id not in forced
            ):
                held.append((feed_id, source, calm.on_chain))
                continue
            judgement = policy.judge(source, on_chain, now, forced=feed_id in forced)
            if judgement.verdict is Verdict.DUE:
                due.append((feed_id, judgement.reason))
            elif judgement.reason in _MAY_JOIN and source and on_chain:
                held.append((feed_id, source, on_chain))
                calms[feed_id] = calm_of(policy, on_chain)
            if judgement.reason is Reason.HELD_BY_BUDGET:
                withheld.append(feed_id)
            if judgement.verdict is Verdict.HOLD and judgement.reason is not Reason.WITHIN_THRESHOLDS:
                unsettled.append(feed_id)
        return Survey(now, due, held, withheld, unsettled)

    def is_near(self, survey: Survey) -> bool:
        """Whether a feed is due, or has gone at least half of the way there."""
        return bool(survey.due) or any(self._has_covered(MILLION // 2, held, survey.now) for held in survey.held)

    def plan(self, survey: Survey) -> Plan | None:
        """The push of everything that is due, and of what is better off joining it; None if nothing is."""
        if not survey.due:
            return None
        return self._fit([*survey.due], [*self._joining(survey)])

    def _joining(self, survey: Survey) -> Iterable[tuple[FeedId, Reason]]:
        """Which of the feeds that are not due join, by their own early rule.

        Feeds written together fall due together: they would share the fixed cost of their next push.
        """
        marginal_cost, fixed_cost = self._costs()
        fellows = Counter([on_chain.publish_time for _, _, on_chain in survey.held])
        least = {
            at: progress_to_join(marginal_cost=marginal_cost, saved_cost=Wei(fixed_cost // count))
            for at, count in fellows.items()
        }
        for held in survey.held:
            feed_id, source, on_chain = held
            policy = self.policies[feed_id]
            if policy.early is Early.CHEAPER:
                if self._has_covered(least[on_chain.publish_time], held, survey.now):
                    yield feed_id, Reason.JOINS_CHEAPER
            elif policy.early is Early.ALWAYS:
                yield feed_id, Reason.JOINS_ALWAYS
            elif policy.early is Early.RULES:
                reason = policy.early_rule(source, on_chain, survey.now)
                if reason is not None:
                    yield feed_id, reason

    def _has_covered(self, progress: int, held: tuple[FeedId, Price, Price], now: float) -> bool:
        """Whether so much of the way (ppm) to the feed's next push lies behind it."""
        feed_id, source, on_chain = held
        policy, calm = self.policies[feed_id], self._calm.get(feed_id)
        if calm is not None and calm.on_chain is on_chain and calm.policy is policy:
            short = calm.is_short_of(progress, source, now)
        else:
            short = False
        return not short and policy.progress(source, on_chain, now) >= progress

    def _costs(self) -> tuple[Wei, Wei]:
        """What one more feed adds to a push, and what a push costs besides its feeds."""
        market, fee = self._view.market, self._view.update_fee or UpdateFee(Wei(0))
        gas_price = market.gas_price if market.base_fee is None else market.base_fee + market.tip
        return Wei(PER_FEED * gas_price + fee.per_message), Wei(FIXED * gas_price + fee.per_transaction)

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
        sourced = {feed_id: self._buffer.get(feed_id) for feed_id, _ in feeds}
        parts = group_by_update(sourced.items())
        blobs = tuple(
            part.update.slice(part.feeds[at : at + MAX_MESSAGES])
            for part in parts
            for at in range(0, len(part.feeds), MAX_MESSAGES)
        )
        triggers = tuple(feed_id for feed_id, reason in feeds if reason not in _JOINS) if self._conditional() else ()
        shape = PushShape(
            feeds=len(feeds),
            first_writes=sum(self._view.coming(feed_id) is None for feed_id in sourced),
            blobs=len(blobs),
            signatures=max(part.update.signature_count for part in parts),
            conditions=len(triggers),
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
            triggers=triggers,
            parts=tuple(parts),
        )
