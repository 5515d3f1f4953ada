"""The account of how long prices on chain were out of policy, feed by feed."""

from collections import deque
from collections.abc import Callable, Mapping
from itertools import chain

from keeper.domain.freshness import InPolicy, out_of_policy
from keeper.domain.policy import FeedPolicy
from keeper.domain.units import MILLION, FeedId, Ppm
from keeper.pipeline.buffer import Buffer
from keeper.pipeline.planner import Survey
from keeper.pipeline.tracker import OnChainView

_SILENCE_S = 10.0
"""A source that brought nothing at all for so long is not heard."""
_MINUTE_S = 60
_MINUTES = 60


class Freshness:
    """Told of every survey; between two of them a feed stays what it was at the first. Times are Unix seconds."""

    def __init__(
        self,
        *,
        policies: Mapping[FeedId, FeedPolicy],
        buffer: Buffer,
        view: OnChainView,
        heard_at: Callable[[], float | None],
    ) -> None:
        self._policies = policies
        self._buffer = buffer
        self._view = view
        self._heard_at = heard_at
        self._out: frozenset[FeedId] = frozenset()
        self._seconds: dict[FeedId, float] = {}
        self._assessed_at: float | None = None
        self._total = _Spell()
        self._minutes: deque[tuple[int, _Spell]] = deque(maxlen=_MINUTES)

    def adopt(self, policies: Mapping[FeedId, FeedPolicy]) -> None:
        """Judge by these from now on."""
        self._policies = policies
        self._out &= policies.keys()

    def assess(self, survey: Survey) -> None:
        """Account for the time since the last survey, and see who is out of policy from now on."""
        self._account(survey.now)
        suspects = {*chain(survey.unsettled, self._view.carried, self._out), *(feed_id for feed_id, _ in survey.due)}
        known = suspects & self._policies.keys() - self._view.unread
        self._out = frozenset(feed_id for feed_id in known if self._is_out(feed_id, survey.now))

    def seconds(self, feed_id: FeedId) -> float:
        """How long the feed was out of policy since the start."""
        return self._seconds.get(feed_id, 0.0)

    def in_policy(self) -> InPolicy:
        """As of the last survey."""
        hour = _Spell()
        for _, minute in self._minutes:
            hour.add(minute.out_s, minute.all_s)
        return InPolicy(self._total.kept, hour.kept)

    def _account(self, now: float) -> None:
        passed_s = 0.0 if self._assessed_at is None else max(now - self._assessed_at, 0.0)
        self._assessed_at = now
        for feed_id in self._out:
            self._seconds[feed_id] = self._seconds.get(feed_id, 0.0) + passed_s
        out_s, all_s = len(self._out) * passed_s, len(self._policies) * passed_s
        self._total.add(out_s, all_s)
        self._minute(now).add(out_s, all_s)

    def _minute(self, now: float) -> "_Spell":
        number = int(now // _MINUTE_S)
        while self._minutes and self._minutes[0][0] <= number - _MINUTES:
            self._minutes.popleft()
        if not self._minutes or self._minutes[-1][0] != number:
            self._minutes.append((number, _Spell()))
        return self._minutes[-1][1]

    def _is_out(self, feed_id: FeedId, now: float) -> bool:
        source, on_chain = self._buffer.price(feed_id), self._view.price(feed_id)
        return out_of_policy(self._policies[feed_id], source, on_chain, now, told=self._is_told(now))

    def _is_told(self, now: float) -> bool:
        heard_at = self._heard_at()
        return heard_at is not None and now - heard_at <= _SILENCE_S


class _Spell:
    """Feed-seconds, and how many of them were out of policy."""

    def __init__(self) -> None:
        self.out_s = 0.0
        self.all_s = 0.0

    def add(self, out_s: float, all_s: float) -> None:
        self.out_s += out_s
        self.all_s += all_s

    @property
    def kept(self) -> Ppm | None:
        return None if self.all_s == 0.0 else Ppm(round((1 - self.out_s / self.all_s) * MILLION))
