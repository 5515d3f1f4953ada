"""What the keeper knows about itself at one moment: the values behind /status, /health and /metrics."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from keeper.domain.budget import FREELY, Allowance
from keeper.domain.policy import Judgement
from keeper.domain.price import Price
from keeper.domain.transaction import Outcome
from keeper.domain.units import FeedId, Wei


class SourceState(StrEnum):
    """How a price source is doing."""

    CONNECTING = "connecting"
    STREAMING = "streaming"
    POLLING = "polling"
    SILENT = "silent"
    """Connected, and no event for longer than the watchdog allows."""
    UNAUTHORIZED = "unauthorized"
    NOT_ENTITLED = "not_entitled"
    UNKNOWN_FEEDS = "unknown_feeds"
    RATE_LIMITED = "rate_limited"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """One price source."""

    name: str
    state: SourceState
    connected: bool
    """Whether a stream is open and delivers events."""
    detail: str
    """The last problem, or empty."""
    last_event_at: float | None
    """Unix seconds."""
    events: int
    reconnects: int


@dataclass(frozen=True, slots=True)
class EndpointStatus:
    """One RPC endpoint, by name: its URL may hold a key."""

    name: str
    healthy: bool
    detail: str


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """One feed on one network."""

    feed_id: FeedId
    alias: str
    """Names one feed of the network; the id itself where none was given."""
    source: Price | None
    on_chain: Price | None
    deviation_ppm: int | None
    judgement: Judgement
    """As of now."""
    last_push_at: float | None
    """Unix seconds at which the last push with this feed in it ended."""
    last_push_outcome: Outcome | None


@dataclass(frozen=True, slots=True)
class SpendStatus:
    """How one network spends."""

    allowance: Allowance = FREELY
    spent_today: Wei = Wei(0)
    """Since midnight UTC, on gas and update fees."""
    daily_budget: Wei | None = None
    runway_s: int | None = None
    """How long the balance lasts at the burn of the last day; None while there is no hour to go by."""
    fee_cap: Wei | None = None
    """What a push would offer now; None before the first read."""
    tip: Wei | None = None


@dataclass(frozen=True, slots=True)
class NetworkStatus:
    """One network."""

    name: str
    chain_id: int | None
    """None until the chain has told it."""
    contract: str
    account: str
    dry_run: bool
    ready: bool
    """Whether the chain was read and the flow runs."""
    detail: str
    """Why it is not ready, or the last read error; empty if all is well."""
    block: int | None
    balance: Wei | None
    nonce: int | None
    """The next one to be used."""
    in_flight: int
    consecutive_failures: int
    pushes: dict[Outcome, int]
    spent_gas: Wei
    spent_update_fees: Wei
    last_push_at: float | None
    endpoints: tuple[EndpointStatus, ...]
    rpc_calls: dict[str, int]
    """JSON-RPC requests by method since the start."""
    feeds: Collection[FeedStatus]
    """Made as they are read, each as of then."""
    spending: SpendStatus = SpendStatus()


@dataclass(frozen=True, slots=True)
class KeeperStatus:
    """The whole process."""

    version: str
    started_at: float
    now: float
    """Unix seconds, as is every time here."""
    stopping: bool
    sources: tuple[SourceStatus, ...]
    networks: tuple[NetworkStatus, ...]
