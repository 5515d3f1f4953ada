"""How long this chain takes to mine a transaction, so that receipts are asked for about when they are there."""

_SHORTEST_S = 0.005
_LONGEST_S = 2.0
_MOST_TIMES_USUAL = 2
_AT_LEAST_S = 1.0


class InclusionTime:
    """Learned from receipts; seconds throughout."""

    def __init__(self) -> None:
        self._typical_s = 0.0

    def first_look_s(self) -> float:
        """How long after sending to ask first."""
        return max(_SHORTEST_S, self._typical_s * 0.9)

    def next_look_s(self, waited_s: float) -> float:
        """How long to wait before asking again: a quarter of what was waited so far."""
        return min(_LONGEST_S, max(_SHORTEST_S, waited_s / 4))

    def learn(self, waited_s: float) -> None:
        """A receipt came this long after sending; one that came very late says little of the next."""
        longest_s = _MOST_TIMES_USUAL * self._typical_s + _AT_LEAST_S
        self._typical_s += (min(waited_s, longest_s) - self._typical_s) / 4


class BlockPace:
    """How far blocks are apart, learned from when they were first heard of."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        """What is known before two blocks were seen: 0 for nothing."""
        self._last: tuple[int, float] | None = None

    def learn(self, block: int, now: float) -> None:
        """A block was seen at `now`, monotonic seconds; one that is no higher than those before teaches nothing."""
        if self._last is not None:
            if block <= self._last[0]:
                return
            seen_s = (now - self._last[1]) / (block - self._last[0])
            self.seconds = seen_s if self.seconds == 0.0 else self.seconds + (seen_s - self.seconds) / 4
        self._last = (block, now)
