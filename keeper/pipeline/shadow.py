"""A dry run beside another pusher: who would have been first, by how much, and at what cost."""

from collections.abc import Mapping
from dataclasses import dataclass

from keeper.domain.fees import push_cost
from keeper.domain.plan import Plan
from keeper.domain.status import ShadowFeed, ShadowStatus
from keeper.domain.units import FeedId, Wei
from keeper.pipeline.tracker import OnChainView
from keeper.ports import Clock


@dataclass(slots=True)
class _Account:
    """One feed; times in monotonic seconds."""

    ours: int = 0
    theirs: int = 0
    ours_first: int = 0
    lead_s: float = 0.0
    theirs_first: int = 0
    lag_s: float = 0.0
    lags: int = 0
    cost: Wei = Wei(0)
    our_first_at: float | None = None
    """Of the pretended pushes since their last write, the first."""
    their_last_at: float | None = None
    """Their last write, while no pretended push has followed it."""


class Shadow:
    """Told of every push that a dry run would have made, and of every write of others."""

    def __init__(self, *, aliases: Mapping[FeedId, str], view: OnChainView, clock: Clock) -> None:
        self.aliases = aliases
        self._view = view
        self._clock = clock
        self._feeds: dict[FeedId, _Account] = {}

    def pretended(self, plan: Plan) -> None:
        """We would have pushed this now, and paid the fees of the latest block: shared evenly by the feeds."""
        now, market, view = self._clock.monotonic(), self._view.market, self._view
        gas_price = market.gas_price if market.base_fee is None else Wei(market.base_fee + market.tip)
        cost = push_cost(view.gas.expected(plan.shape), gas_price, Wei(0), plan.value).total
        share = Wei(cost // len(plan.prices))
        for feed_id in plan.prices:
            feed = self._of(feed_id)
            feed.ours += 1
            feed.cost = Wei(feed.cost + share)
            if feed.our_first_at is None:
                feed.our_first_at = now
            if feed.their_last_at is not None:
                feed.lag_s += now - feed.their_last_at
                feed.lags += 1
                feed.their_last_at = None

    def wrote(self, feed_id: FeedId, now: float) -> None:
        """Somebody else stored a newer price, as was noticed at `now`."""
        feed = self._of(feed_id)
        feed.theirs += 1
        if feed.our_first_at is not None:
            feed.ours_first += 1
            feed.lead_s += now - feed.our_first_at
            feed.their_last_at = None
        else:
            feed.theirs_first += 1
            feed.their_last_at = now
        feed.our_first_at = None

    def status(self) -> ShadowStatus:
        """As of now."""
        rows = tuple(
            ShadowFeed(
                alias=self.aliases.get(feed_id, feed_id),
                ours=feed.ours,
                theirs=feed.theirs,
                ours_first=feed.ours_first,
                theirs_first=feed.theirs_first,
                mean_lead_s=feed.lead_s / feed.ours_first if feed.ours_first else None,
                mean_lag_s=feed.lag_s / feed.lags if feed.lags else None,
                cost=feed.cost,
            )
            for feed_id, feed in self._feeds.items()
        )
        return ShadowStatus(rows)

    def _of(self, feed_id: FeedId) -> _Account:
        return self._feeds.setdefault(feed_id, _Account())
