"""What the endpoints of a pool say of the chain: which one it is, and how far it has come."""

from collections import defaultdict

_WEIGHT = 0.2
"""Of the newest block in the average time between two."""


class Frontier:
    """The chain as all endpoints together see it."""

    def __init__(self, chain_id: int | None = None) -> None:
        self.chain_id = chain_id
        """Ours; None until it was given or told."""
        self.block_time_s: float | None = None
        """Seconds between two blocks, averaged; None until two were seen."""
        self._blocks: defaultdict[int, dict[str, int]] = defaultdict(dict)
        """By chain and endpoint: the newest."""
        self._advanced_at: float | None = None

    def report(self, endpoint: str, chain_id: int, block: int, now: float) -> int:
        """An endpoint tells its newest block; returns how many it is behind what others told before.

        Where there are several others, one that is far ahead of all the rest is not believed.
        """
        blocks = self._blocks[chain_id]
        before = max(blocks.values(), default=None)
        if before is None or block > before:
            self._advance(block, before, now)
        others = sorted(told for name, told in blocks.items() if name != endpoint)
        blocks[endpoint] = block
        return max(others[-2:][0] - block, 0) if others else 0

    def _advance(self, block: int, before: int | None, now: float) -> None:
        if before is not None and self._advanced_at is not None:
            each_s = (now - self._advanced_at) / (block - before)
            average_s = each_s if self.block_time_s is None else self.block_time_s
            self.block_time_s = average_s + _WEIGHT * (each_s - average_s)
        self._advanced_at = now
