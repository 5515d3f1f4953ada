"""What the chain tells by itself, where an endpoint offers subscriptions: heads, and prices that anybody stored."""

from collections.abc import Callable, Sequence

from keeper.domain.sightings import Origin
from keeper.domain.transaction import FeedWrite
from keeper.pipeline.buffer import Buffer
from keeper.pipeline.submitter import Submitter
from keeper.pipeline.tracker import OnChainView
from keeper.pipeline.upkeep import Upkeep
from keeper.ports import Head


class Follower:
    """Keeps the on-chain view current by what is told; satisfies `keeper.ports.ChainListener`."""

    def __init__(
        self, *, view: OnChainView, buffer: Buffer, submitter: Submitter, upkeep: Upkeep, stirred: Callable[[], None]
    ) -> None:
        self._view = view
        self._buffer = buffer
        self._submitter = submitter
        self._upkeep = upkeep
        self._stirred = stirred
        self._last: Head | None = None

    def on_live(self, *, live: bool) -> None:
        """See ChainListener. What was told before may have ended long ago: receipts are to be checked."""
        self._view.live = live
        if live:
            self._submitter.reorganised()
        self._upkeep.tell_mode()
        self._stirred()

    def on_head(self, head: Head) -> None:
        """See ChainListener."""
        last, self._last = self._last, head
        self._view.saw_head(head)
        self._view.sightings.heads += 1
        if last is not None and head.number <= last.number:
            self._submitter.reorganised()
        self._stirred()

    def on_writes(self, writes: Sequence[FeedWrite], block: int, tx_hash: bytes) -> None:
        """See ChainListener."""
        self._view.sightings.events += 1
        self._submitter.told(tx_hash)
        origin = Origin.SELF if self._submitter.is_ours(tx_hash) else Origin.OTHER
        for write in writes:
            self._view.wrote(write, like=self._buffer.price(write.feed_id), block=block, origin=origin)
        self._stirred()

    def on_change(self, name: str, block: int) -> None:
        """See ChainListener."""
        self._upkeep.contract_changed(name, block)

    def on_unwritten(self, writes: Sequence[FeedWrite], block: int, tx_hash: bytes) -> None:  # noqa: ARG002
        """See ChainListener. What was on chain before is to be read; our own push does so when its receipt is gone."""
        self._view.sightings.taken_back += 1
        self._submitter.reorganised()
        self._upkeep.read_anew()
