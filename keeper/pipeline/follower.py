"""What the chain tells by itself, where an endpoint offers subscriptions: heads, and prices that anybody stored."""

from collections.abc import Callable, Sequence

from keeper.domain.transaction import FeedWrite
from keeper.pipeline.buffer import Buffer
from keeper.pipeline.tracker import OnChainView
from keeper.ports import Head


class Follower:
    """Keeps the on-chain view current by what is told; satisfies `keeper.ports.ChainListener`."""

    def __init__(
        self,
        *,
        view: OnChainView,
        buffer: Buffer,
        stirred: Callable[[], None],
        reorganised: Callable[[], None],
        is_ours: Callable[[bytes], bool],
    ) -> None:
        self._view = view
        self._buffer = buffer
        self._stirred = stirred
        self._reorganised = reorganised
        self._is_ours = is_ours
        self._last: Head | None = None

    def on_live(self, *, live: bool) -> None:
        """See ChainListener."""
        self._view.live = live
        self._stirred()

    def on_head(self, head: Head) -> None:
        """See ChainListener."""
        last, self._last = self._last, head
        self._view.saw_head(head)
        if last is not None and head.number <= last.number:
            self._reorganised()
        self._stirred()

    def on_writes(self, writes: Sequence[FeedWrite], block: int, tx_hash: bytes) -> None:  # noqa: ARG002
        """See ChainListener."""
        ours = self._is_ours(tx_hash)
        for write in writes:
            self._view.wrote(write, like=self._buffer.price(write.feed_id), ours=ours)

    def on_unwritten(self, writes: Sequence[FeedWrite], block: int, tx_hash: bytes) -> None:  # noqa: ARG002
        """See ChainListener."""
        self._reorganised()
