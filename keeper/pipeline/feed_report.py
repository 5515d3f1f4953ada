"""How each feed stands: made one by one as somebody reads, for there may be thousands."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from keeper.domain.price import deviation_ppm
from keeper.domain.status import FeedStatus
from keeper.domain.units import FeedId
from keeper.pipeline.buffer import Buffer
from keeper.pipeline.freshness import Freshness
from keeper.pipeline.ledger import Ledger
from keeper.pipeline.planner import Planner
from keeper.pipeline.rivals import Rivals
from keeper.pipeline.tracker import OnChainView
from keeper.ports import Clock


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FeedReport(Collection[FeedStatus]):
    """The status of every feed of one network, from the parts that know."""

    aliases: Mapping[FeedId, str]
    buffer: Buffer
    view: OnChainView
    planner: Planner
    ledger: Ledger
    freshness: Freshness
    rivals: Rivals
    clock: Clock

    def __len__(self) -> int:
        return len(self.aliases)

    def __iter__(self) -> Iterator[FeedStatus]:
        return map(self._status, self.aliases)

    def __contains__(self, status: object) -> bool:
        return any(status == known for known in self)

    def _status(self, feed_id: FeedId) -> FeedStatus:
        source, on_chain = self.buffer.price(feed_id), self.view.price(feed_id)
        pushed_at, outcome = self.ledger.last_by_feed.get(feed_id, (None, None))
        return FeedStatus(
            feed_id=feed_id,
            alias=self.aliases[feed_id],
            source=source,
            on_chain=on_chain,
            deviation_ppm=None if source is None or on_chain is None else deviation_ppm(source, on_chain),
            judgement=self.planner.judge(feed_id, self.clock.now()),
            last_push_at=pushed_at,
            last_push_outcome=outcome,
            out_of_policy_s=self.freshness.seconds(feed_id),
            rival_writes=self.rivals.writes[feed_id],
        )
