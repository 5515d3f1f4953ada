"""How an endpoint is doing, by its answers and failures. Pure: time is an argument, in monotonic seconds.

    well ──failure──▶ down ──answers a probe──▶ on trial ──answers a request──▶ well
                        ▲──────────failure──────────┘

An outage is not prolonged by more than a share of itself: the longer it lasts, the rarer are the probes. Whoever fails
on trial is probed later each time.
"""

import math

from keeper.domain.errors import Throttled, Transient
from keeper.evm.transport import ConnectionRefused

_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0
_SHARE = 0.1
_SHARE_REFUSED = 0.01
"""Where nobody listens a probe costs nobody anything."""
_MOST_RELAPSES = 8
_DEFAULT_REST_S = 1.0
_WEIGHT = 0.2
"""Of the newest request in what is averaged."""
_FORGOTTEN_IN_S = 60.0
"""Failures count half after so long."""
_FLAKY = 0.25


class Health:
    """What is known of one endpoint."""

    def __init__(self) -> None:
        self.problem = ""
        """The last one; empty when it is over."""
        self.latency_s: float | None = None
        """Of its answers, averaged; None before the first."""
        self.on_trial = False
        """It answered a probe after a failure, and no request since."""
        self._down_since: float | None = None
        self._refused = False
        self._relapses = 0
        self._free_at = 0.0
        self._failures = 0.0
        self._failures_at = 0.0

    @property
    def down(self) -> bool:
        """Whether it failed and has answered nothing since."""
        return self._down_since is not None

    @property
    def spotless(self) -> bool:
        """Whether nothing is held against it: a quick no is not final."""
        return self._down_since is None and self._free_at == 0.0 and self._failures <= _FLAKY

    def throttled_s(self, now: float) -> float:
        """For how long it asked to be left alone; 0 if it did not."""
        return max(self._free_at - now, 0.0)

    def flaky(self, now: float) -> bool:
        """Whether too many of its last requests failed, though others did not."""
        return self._failures > _FLAKY and self._share_of_failures(now) > _FLAKY

    def outage_s(self, now: float) -> float:
        """For how long it has been down; 0 if it is not."""
        return 0.0 if self._down_since is None else now - self._down_since

    def probe_pause_s(self, now: float) -> float:
        """How long to wait before the next probe."""
        share = _SHARE_REFUSED if self._refused else _SHARE
        return min(max(self.outage_s(now) * share, _FIRST_PAUSE_S * (1 << self._relapses)), _LONGEST_PAUSE_S)

    def answered(self, now: float, took_s: float, *, sound: bool) -> None:
        """It answered a request; not `sound` where nobody knows what the answer means."""
        self._well(took_s)
        self.on_trial = False
        self._relapses = 0
        self._free_at = 0.0
        if self._failures or not sound:
            self._count(now, failed=not sound)

    def answered_probe(self, took_s: float) -> None:
        """It answered a probe."""
        self.on_trial = self.on_trial or self.down
        self._well(took_s)

    def failed(self, now: float, problem: Transient, *, probed: bool = False) -> None:
        """A request failed, or a probe; to ask us to slow down is no failure."""
        self.problem = str(problem)
        if isinstance(problem, Throttled):
            self._free_at = now + (problem.retry_after_s or _DEFAULT_REST_S)
            return
        if not probed:
            self._count(now, failed=True)
        self._refused = isinstance(problem, ConnectionRefused)
        if self._down_since is None:
            self._down_since = now
            if self.on_trial:
                self._relapse()
            self.on_trial = False

    def lost_connection(self) -> None:
        """The connection ended by itself: whoever does so again and again is asked again less quickly."""
        self._relapse()

    def _well(self, took_s: float) -> None:
        self._down_since = None
        self.problem = ""
        self.latency_s = took_s if self.latency_s is None else self.latency_s + _WEIGHT * (took_s - self.latency_s)

    def _relapse(self) -> None:
        self._relapses = min(self._relapses + 1, _MOST_RELAPSES)

    def _count(self, now: float, *, failed: bool) -> None:
        share = self._share_of_failures(now)
        self._failures, self._failures_at = share + _WEIGHT * (failed - share), now

    def _share_of_failures(self, now: float) -> float:
        return self._failures * math.pow(0.5, (now - self._failures_at) / _FORGOTTEN_IN_S)
