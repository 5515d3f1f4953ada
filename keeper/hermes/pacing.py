"""How often the server is asked: pure rules, `now` in monotonic seconds."""

import random
from collections import deque

from keeper.hermes.config import Timing

_MAX_DOUBLINGS = 16
_MUTE_S = 60.0
_PROBLEMS_TOLD = 10


class Reconnection:
    """How long to wait after each failure to stream."""

    def __init__(self, timing: Timing, dice: random.Random) -> None:
        self._timing = timing
        self._dice = dice
        self._failures = 0

    def delay_s(self, *, refused: bool, lasted_s: float) -> float:
        """Seconds to the next attempt, after a stream that delivered for `lasted_s`.

        Nothing the first time, then a growing and jittered delay; long for what is refused on principle.
        """
        timing = self._timing
        if lasted_s >= timing.stable_s:
            self._failures = 0
        self._failures += 1
        if refused:
            return timing.slow_retry_s * self._dice.uniform(1.0, 1.2)
        if self._failures == 1:
            return 0.0
        doublings = min(self._failures - 2, _MAX_DOUBLINGS)
        return min(timing.backoff_s * 2.0**doublings, timing.backoff_cap_s) * self._dice.uniform(0.75, 1.0)


class RequestBudget:
    """What the server grants to one address: so many polls in a window, and nothing at all after a 429."""

    def __init__(self, *, polls: int, window_s: float, sharers: int = 1) -> None:
        self.spacing_s = window_s * sharers / max(polls - 1, 1)
        """Between polls of one sharer that go on for long; spares one of each window for the moment after a loss."""
        self._window_s = window_s
        self._polls: deque[float] = deque(maxlen=polls)
        self.barred_until = float("-inf")

    def poll_at(self) -> float:
        """When the next poll may start."""
        full = len(self._polls) == self._polls.maxlen
        return max(self._polls[0] + self._window_s if full else float("-inf"), self.barred_until)

    def spend(self, now: float) -> None:
        """Count a poll that starts."""
        self._polls.append(now)

    def bar(self, until: float) -> None:
        """Send nothing before then."""
        self.barred_until = max(self.barred_until, until)


class Mute:
    """Keeps problems from flooding: each is told once a minute, and no more than a few different ones."""

    def __init__(self) -> None:
        self._told: dict[str, float] = {}

    def tells(self, problem: str, now: float) -> bool:
        """Whether to tell it now."""
        self._told = {text: at for text, at in self._told.items() if now - at < _MUTE_S}
        if problem in self._told or len(self._told) >= _PROBLEMS_TOLD:
            return False
        self._told[problem] = now
        return True
