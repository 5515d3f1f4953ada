"""Every JSON-RPC request is accounted for: how many, how they ended, how long they took."""

from bisect import bisect_left
from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from keeper.domain.status import REQUEST_BUCKETS_S, RequestTimes
from keeper.evm.wire import Call

_MINUTE_S = 60
_MINUTES = 60


class Outcome(StrEnum):
    """How a request ended."""

    OK = "ok"
    ERROR = "error"
    """With an error of the node's own."""
    THROTTLED = "throttled"
    UNREACHED = "unreached"
    """It did not reach the node."""
    UNCERTAIN = "uncertain"
    """It may have, and no answer came."""


class Account(NamedTuple):
    """What requests are told apart by."""

    method: str
    endpoint: str
    outcome: Outcome


class Ledger:
    """The books of one pool."""

    def __init__(self) -> None:
        self._requests: Counter[Account] = Counter()
        self._messages: defaultdict[tuple[str, Outcome], _Times] = defaultdict(_Times)
        self._notifications: Counter[str] = Counter()
        self._minutes: deque[tuple[int, Counter[str]]] = deque(maxlen=_MINUTES)

    def record(
        self, endpoint: str, calls: Sequence[Call], outcomes: Sequence[Outcome], took_s: float, *, now: float
    ) -> None:
        """One message with calls: how each of them ended, and how long the endpoint took to answer, by `now`."""
        minute = self._minute(now)
        for call, outcome in zip(calls, outcomes, strict=True):
            self._requests[Account(call.method, endpoint, outcome)] += 1
            minute[call.method] += 1
        whole = Outcome.OK if Outcome.OK in outcomes else outcomes[0]
        self._messages[endpoint, whole].add(took_s)

    def notified(self, endpoint: str, count: int) -> None:
        """Notifications of subscriptions came."""
        self._notifications[endpoint] += count

    def requests(self) -> Mapping[Account, int]:
        """How many requests ended so."""
        return self._requests

    def by_method(self) -> dict[str, int]:
        """How many requests there were of each method."""
        calls: Counter[str] = Counter()
        for account, count in self._requests.items():
            calls[account.method] += count
        return dict(calls)

    def last_hour(self, now: float) -> dict[str, int]:
        """The same for the last hour before `now`, to the minute."""
        calls: Counter[str] = Counter()
        for number, minute in self._minutes:
            if number > int(now // _MINUTE_S) - _MINUTES:
                calls += minute
        return dict(calls)

    def _minute(self, now: float) -> Counter[str]:
        number = int(now // _MINUTE_S)
        if not self._minutes or self._minutes[-1][0] != number:
            self._minutes.append((number, Counter()))
        return self._minutes[-1][1]

    def times(self, endpoint: str) -> dict[str, RequestTimes]:
        """How long the endpoint took, by outcome, with those that never occurred; a batch counts once."""
        times = {outcome.value: self._messages.get((endpoint, outcome), _Times()) for outcome in Outcome}
        return {outcome: RequestTimes(tuple(each.counts), each.total_s) for outcome, each in times.items()}

    def notifications(self, endpoint: str) -> int:
        """How many notifications it sent."""
        return self._notifications[endpoint]


class _Times:
    __slots__ = ("counts", "total_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(REQUEST_BUCKETS_S) + 1)
        self.total_s = 0.0

    def add(self, took_s: float) -> None:
        self.counts[bisect_left(REQUEST_BUCKETS_S, took_s)] += 1
        self.total_s += took_s
