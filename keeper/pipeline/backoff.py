"""After failed pushes: how long to let the chain alone."""

from keeper.domain.transaction import Outcome
from keeper.pipeline.ledger import FAILURES

_LONGEST_S = 300.0


class Backoff:
    """Doubles with every failure in a row; all times in monotonic seconds. A forced update does not ask it."""

    def __init__(self, *, first_s: float) -> None:
        self._first_s = first_s
        self._failures = 0
        self.until = 0.0
        """Nothing goes out before."""
        self.reverted = False
        """A push was paid for in vain, and none has passed since."""

    def forgive(self) -> None:
        """What went wrong is known, and will not again."""
        self.reverted = False
        self.until = 0.0

    def end(self) -> None:
        """What made pushes fail is over."""
        self.until = 0.0

    def note(self, outcome: Outcome, now: float) -> None:
        """A push ended."""
        self.reverted = outcome is Outcome.REVERTED or (self.reverted and outcome in FAILURES)
        self._failures = self._failures + 1 if outcome in FAILURES else 0
        self.until = now + min(_LONGEST_S, self._first_s * 2 ** (self._failures - 1)) if self._failures else 0.0
