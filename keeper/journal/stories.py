"""What an operator is told of the journal: pushes with all that belongs to them, and costs."""

from collections.abc import Mapping
from dataclasses import dataclass

from keeper.domain.transaction import FeedWrite
from keeper.domain.units import FeedId


@dataclass(frozen=True, slots=True)
class Filter:
    """Which pushes are meant; None leaves a thing open. Times are Unix seconds."""

    network: str | None = None
    push: int | None = None
    tx_hash: bytes | None = None
    """Of any of its attempts."""
    status: str | None = None
    """A state, an outcome, or `open`: not ended."""
    feed: FeedId | None = None
    since: float | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True)
class AttemptStory:
    """One transaction of a push."""

    hash: bytes
    nonce: int
    fate: str
    signed_at: float
    sent_at: float | None
    fee_cap: int
    tip: int
    gas_limit: int | None
    value: int
    cancels: bool
    feeds: Mapping[FeedId, str]
    """With the reason for each."""


@dataclass(frozen=True, slots=True)
class NoteStory:
    """One line of a push's history."""

    at: float
    kind: str
    tx_hash: bytes
    """Empty where it is about no transaction."""
    endpoint: str
    detail: str


@dataclass(frozen=True, slots=True)
class FeedCost:
    """A feed's share of what a push cost."""

    feed: FeedId
    gas_cost: int
    update_fee: int


@dataclass(frozen=True, slots=True)
class PushStory:
    """One push. What is known only of mined ones is None before."""

    network: str
    account: str
    push: int
    nonce: int
    state: str
    outcome: str | None
    retry_count: int
    problem: str
    decided_at: float
    mined_at: float | None
    ended_at: float | None
    tx_hash: bytes | None
    block_number: int | None
    gas_used: int | None
    gas_price: int | None
    gas_cost: int | None
    l1_fee: int | None
    update_fee: int | None
    attempts: tuple[AttemptStory, ...]
    notes: tuple[NoteStory, ...]
    feed_costs: tuple[FeedCost, ...]
    writes: tuple[FeedWrite, ...]
    """What the contract stored."""

    @property
    def cost(self) -> int | None:
        """All of it."""
        return None if self.gas_cost is None or self.update_fee is None else self.gas_cost + self.update_fee

    @property
    def feeds(self) -> Mapping[FeedId, str]:
        """What it was for, with reasons: the feeds of the mined attempt, or of the latest that is no no-op."""
        planned = [attempt for attempt in self.attempts if not attempt.cancels]
        mined = [attempt for attempt in planned if attempt.hash == self.tx_hash]
        return (mined or planned)[-1].feeds if planned else {}


@dataclass(frozen=True, slots=True)
class CostLine:
    """What mined pushes cost, of one day and feed as far as these were told apart."""

    network: str
    day: int | None
    """Days since 1970, UTC."""
    feed: FeedId | None
    """None as well for what was spent on no feed."""
    pushes: int
    gas_cost: int
    update_fee: int
