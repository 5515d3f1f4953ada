"""The public service's rate limit: so many requests in a window, then refusal for a while."""

from collections import deque

_MAX_CLIENTS = 1024


class RateLimit:
    """Counts requests per client address; forgets all of them when there are too many addresses."""

    def __init__(self, *, requests: int = 10, window_s: float = 10.0, penalty_s: float = 60.0) -> None:
        self._requests = requests
        self._window_s = window_s
        self._penalty_s = penalty_s
        self._seen: dict[str, deque[float]] = {}
        self._refused_until: dict[str, float] = {}

    def allows(self, client: str, *, now: float) -> bool:
        """Count one request; `now` in seconds of any steady clock."""
        if now < self._refused_until.get(client, now):
            return False
        if len(self._seen) >= _MAX_CLIENTS:
            self.forget()
        seen = self._seen.setdefault(client, deque())
        while seen and seen[0] <= now - self._window_s:
            seen.popleft()
        if len(seen) < self._requests:
            seen.append(now)
            return True
        self._refused_until[client] = now + self._penalty_s
        return False

    def forget(self) -> None:
        """Start afresh."""
        self._seen.clear()
        self._refused_until.clear()
