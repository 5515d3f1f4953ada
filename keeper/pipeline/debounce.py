"""When a due feed may go out: the debounce window."""

from enum import StrEnum


class DebounceMode(StrEnum):
    """Where the window lies."""

    LEADING = "leading"
    """The first due feed after a quiet window goes at once; what follows within the window waits for its end."""
    TRAILING = "trailing"
    """Every first due feed waits for a whole window, so that a move of the whole market is one push."""


class Debounce:
    """Tells the moment of the next push; all times in monotonic seconds."""

    def __init__(self, *, window_s: float, mode: DebounceMode) -> None:
        self._window_s = window_s
        self._mode = mode
        self._last_push: float | None = None
        self._opened: float | None = None

    def moment(self, now: float) -> float:
        """Some feed is due now: when to push. The answer stays until `pushed` or `calmed`."""
        if self._mode is DebounceMode.LEADING:
            return now if self._last_push is None else max(now, self._last_push + self._window_s)
        if self._opened is None:
            self._opened = now
        return self._opened + self._window_s

    def pushed(self, now: float) -> None:
        """A push starts."""
        self._last_push = now
        self._opened = None

    def undone(self) -> None:
        """The last push was in vain and is made up for at once: as if it had not been."""
        self._last_push = None
        self._opened = None

    def calmed(self) -> None:
        """No feed is due any more: a waiting window closes without a push."""
        self._opened = None
