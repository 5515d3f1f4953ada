"""The newest blocks of the chain, and what a new head makes of them. Pure."""

from collections.abc import Sequence

from keeper.ports import Head


class Heads:
    """The last blocks that were told, each the parent of the next, unless some were missed in between."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        """So many are kept."""
        self._heads: dict[int, Head] = {}
        """By number, in order."""

    @property
    def newest(self) -> Head | None:
        """The last one told; None before the first."""
        return next(reversed(self._heads.values()), None)

    def knows(self, head: Head) -> bool:
        """Whether it was told and still stands."""
        known = self._heads.get(head.number)
        return known is not None and known.hash == head.hash

    def gap_before(self, head: Head) -> range:
        """The numbers of the blocks between the newest and the head, as many as are kept."""
        newest = self.newest
        if newest is None:
            return range(0)
        return range(max(newest.number + 1, head.number - self._depth), head.number)

    def branches_off(self, head: Head) -> bool:
        """Whether another block than its parent was told in its parent's place."""
        before = self._heads.get(head.number - 1)
        return before is not None and before.hash != head.parent

    def may_branch_deeper(self, head: Head) -> bool:
        """Whether it replaces the first block that was told: nobody knows which of those before it still stand."""
        return head.number > 0 and self.replaces(head) and head.number - 1 not in self._heads

    def replaces(self, head: Head) -> bool:
        """Whether another block of its number, or of a higher one, was told."""
        newest = self.newest
        return newest is not None and newest.number >= head.number

    def replaced(self, ancestors: Sequence[Head]) -> Sequence[Head]:
        """Those among consecutive blocks that were not told: all from the first that differs."""
        for at, head in enumerate(ancestors):
            if not self.knows(head):
                return ancestors[at:]
        return ()

    def add(self, head: Head) -> None:
        """It is told: whatever had its number or a higher one stands no longer."""
        for number in [number for number in reversed(self._heads) if number >= head.number]:
            del self._heads[number]
        self._heads[head.number] = head
        for number in [number for number in self._heads if number <= head.number - self._depth]:
            del self._heads[number]
