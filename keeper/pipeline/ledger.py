"""What became of all pushes: outcomes, spending, failures in a row."""

from collections import Counter

from keeper.domain.events import Event, PushFinal, PushFinished, PushHeld, PushOrphaned, PushPlanned, PushSent
from keeper.domain.fees import Cost
from keeper.domain.transaction import Outcome
from keeper.domain.units import FeedId, Wei

FAILURES = frozenset({Outcome.REVERTED, Outcome.DROPPED, Outcome.SUPERSEDED, Outcome.FAILED})
"""Outcomes that count as failures; a lost race is none, and what is unresolved is not known yet."""


class Ledger:
    """Counts every finished push of one network."""

    def __init__(self) -> None:
        self.outcomes: Counter[Outcome] = Counter()
        self.replacements = 0
        self.spent_gas = Wei(0)
        self.spent_update_fees = Wei(0)
        self.consecutive_failures = 0
        self.last_failure = ""
        self.last_push_at: float | None = None
        self.newest_push = 0
        self.final_push = 0
        """The newest that no reorganisation takes back; both are numbers of pushes, and 0 before the first."""
        self._mined: dict[int, PushFinished] = {}
        """Those that a reorganisation may take back, by push."""
        self.last_by_feed: dict[FeedId, tuple[float, Outcome]] = {}
        """When a push with the feed last ended (Unix seconds), and how."""

    def take(self, event: Event, now: float) -> None:
        """Something happened at `now` (Unix seconds); what is no matter of the books is passed over."""
        match event:
            case PushFinished():
                self._note(event, now)
            case PushOrphaned(push=push):
                self._undo(push)
            case PushFinal(push=push):
                self._mined.pop(push, None)
                self.final_push = max(self.final_push, push)
            case PushPlanned(push=push):
                self.newest_push = max(self.newest_push, push)
            case PushHeld():
                self.outcomes[Outcome.HELD_BY_BUDGET] += 1
            case PushSent(replaces=True):
                self.replacements += 1
            case _:
                pass

    def _note(self, finished: PushFinished, now: float) -> None:
        self.outcomes[finished.outcome] += 1
        self._spend(finished.cost, 1)
        if finished.cost is not None:
            self._mined[finished.push] = finished
        if finished.outcome in FAILURES:
            self.consecutive_failures += 1
            self.last_failure = finished.detail
        elif finished.outcome is not Outcome.UNRESOLVED:
            self.consecutive_failures = 0
            self.last_failure = ""
        self.last_push_at = now
        self.last_by_feed.update(dict.fromkeys(finished.feeds, (now, finished.outcome)))

    def _undo(self, push: int) -> None:
        """A reorganisation took a push back: it is neither an outcome nor paid for any more."""
        undone = self._mined.pop(push, None)
        if undone is not None:
            self.outcomes[undone.outcome] -= 1
            self._spend(undone.cost, -1)

    def _spend(self, cost: Cost | None, sign: int) -> None:
        if cost is not None:
            self.spent_gas = Wei(self.spent_gas + sign * cost.gas)
            self.spent_update_fees = Wei(self.spent_update_fees + sign * cost.update_fee)
