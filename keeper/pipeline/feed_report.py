"""How each feed stands: made one by one as somebody reads, for there may be thousands."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from keeper.domain.feed_state import Heard, feed_state
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


@dataclass(slots=True, kw_only=True, eq=False)
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

    def adopt(self, aliases: Mapping[FeedId, str]) -> None:
        """Tell of these from now on; a new one as soon as it is judged."""
        self.aliases = aliases

    def __len__(self) -> int:
        return sum(map(self.planner.judges, self.aliases))

    def __iter__(self) -> Iterator[FeedStatus]:
        """Whoever reads slowly may see feeds come and go meanwhile."""
        aliases = self.aliases
        return (self._status(feed_id, alias) for feed_id, alias in aliases.items() if self.planner.judges(feed_id))

    def __contains__(self, status: object) -> bool:
        return any(status == known for known in self)

    def _status(self, feed_id: FeedId, alias: str) -> FeedStatus:
        source, on_chain = self.buffer.price(feed_id), self.view.price(feed_id)
        pushed_at, outcome = self.ledger.last_by_feed.get(feed_id, (None, None))
        return FeedStatus(
            feed_id=feed_id,
            alias=alias,
            source=source,
            on_chain=on_chain,
            deviation_ppm=None if source is None or on_chain is None else deviation_ppm(source, on_chain),
            judgement=self.planner.judge(feed_id, self.clock.now()),
            last_push_at=pushed_at,
            last_push_outcome=outcome,
            out_of_policy_s=self.freshness.seconds(feed_id),
            rival_writes=self.rivals.writes[feed_id],
            state=feed_state(source, on_chain, self._heard(feed_id), self.clock.now()),
            coming=self.view.coming(feed_id),
            policy=self.planner.policies[feed_id],
            brought_by=None if source is None else self.buffer.get(feed_id).source,
        )

    def _heard(self, feed_id: FeedId) -> Heard:
        feed_at, anything_at, now = self.buffer.arrived(feed_id), self.buffer.last_arrival, self.clock.monotonic()
        return Heard(None if feed_at is None else now - feed_at, None if anything_at is None else now - anything_at)
