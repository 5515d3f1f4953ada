"""How an endpoint keeps up with the chain. Pure: time is an argument, in monotonic seconds."""

from keeper.evm.frontier import Frontier

_BLOCK_TIMES = 3
"""After so long without a new block a node seems to stand still; within these bounds."""
_AT_LEAST_S = 3.0
_AT_MOST_S = 60.0
_UNKNOWN_S = 10.0
"""The same while the time between blocks is not known."""


class Progress:
    """The newest blocks that one endpoint told."""

    def __init__(self, endpoint: str, *, frontier: Frontier, lag_limit: int) -> None:
        self.lag_blocks = 0
        """How far it was behind others when it told its newest block."""
        self.stalled = False
        """Whether it has told the same block for longer than the chain usually takes for one."""
        self._endpoint = endpoint
        self._frontier = frontier
        self._lag_limit = lag_limit
        self._block: int | None = None
        self._since = 0.0
        self._lagging_since: float | None = None

    @property
    def lagging(self) -> bool:
        """Whether it is too far behind others."""
        return self.lag_blocks >= self._lag_limit

    def told(self, chain_id: int, block: int, now: float) -> None:
        """It told its newest block."""
        self.lag_blocks = self._frontier.report(self._endpoint, chain_id, block, now)
        if block != self._block:
            self._block, self._since = block, now
        if not self.lagging:
            self._lagging_since = None
        elif self._lagging_since is None:
            self._lagging_since = now
        self.stalled = now - self._since >= self._patience_s()

    def lagging_s(self, now: float) -> float:
        """For how long it has been too far behind."""
        return 0.0 if self._lagging_since is None else now - self._lagging_since

    def _patience_s(self) -> float:
        block_time_s = self._frontier.block_time_s
        if block_time_s is None:
            return _UNKNOWN_S
        return min(max(_BLOCK_TIMES * block_time_s, _AT_LEAST_S), _AT_MOST_S)
