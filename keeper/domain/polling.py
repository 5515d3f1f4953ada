"""How often the chain is asked when it tells nothing by itself. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from keeper.domain.policy import FeedPolicy, Staleness, TimeDifference

_LEAST_S = 5.0
_PARTS = 4


@dataclass(frozen=True, slots=True)
class PollPace:
    """A value: `after` gives the next one. Seconds throughout.

    Only what others do makes polls worth their price, so they come often after a surprise and ever more rarely without.
    """

    shortest_s: float
    longest_s: float
    pause_s: float

    @classmethod
    def between(cls, policies: Iterable[FeedPolicy], longest_s: float) -> "PollPace":
        """The tightest rule that goes by age sets the bound: within a quarter of it a rival's push is to be known."""
        ages_s = [age_s for policy in policies for age_s in _ages_s(policy)]
        shortest_s = min(max(min(ages_s, default=round(longest_s)) / _PARTS, _LEAST_S), longest_s)
        return cls(shortest_s, longest_s, longest_s)

    def after(self, *, surprised: bool) -> "PollPace":
        """The pause after a poll; `surprised`: it showed what nobody had told, and we had not done."""
        return replace(self, pause_s=self.shortest_s if surprised else min(2 * self.pause_s, self.longest_s))


def _ages_s(policy: FeedPolicy) -> Iterable[int]:
    for rule in policy.rules:
        match rule:
            case Staleness(max_age_s=age_s):
                yield age_s
            case TimeDifference(seconds=age_s):
                yield age_s
            case _:
                pass
