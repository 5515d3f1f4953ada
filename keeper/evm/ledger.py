"""Every JSON-RPC request is accounted for: how many, how they ended, how long they took."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import NamedTuple


class Account(NamedTuple):
    """What requests are told apart by."""

    method: str
    endpoint: str
    outcome: str
    """`ok`, `error` (the node's own), `throttled`, `unreached` or `uncertain`."""


class Ledger:
    """The books of one pool."""

    def __init__(self) -> None:
        self._requests: Counter[Account] = Counter()
        self._seconds: defaultdict[Account, float] = defaultdict(float)

    def record(self, account: Account, duration_s: float) -> None:
        """One request, and how long its answer took."""
        self._requests[account] += 1
        self._seconds[account] += duration_s

    def requests(self) -> Mapping[Account, int]:
        """How many requests ended so."""
        return self._requests

    def seconds(self) -> Mapping[Account, float]:
        """How long they took, together."""
        return self._seconds

    def by_method(self) -> dict[str, int]:
        """How many requests there were of each method."""
        calls: Counter[str] = Counter()
        for account, count in self._requests.items():
            calls[account.method] += count
        return dict(calls)
