"""What the keeper knows about itself at one moment: the values behind /status, /health and /metrics."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from keeper.domain.budget import FREELY, Allowance
from keeper.domain.feed_state import FeedState
from keeper.domain.freshness import ALL_UNKNOWN, InPolicy
from keeper.domain.orders import Pause
from keeper.domain.policy import FeedPolicy, Judgement
from keeper.domain.price import Price
from keeper.domain.sightings import Sightings
from keeper.domain.transaction import Outcome
from keeper.domain.units import FeedId, Wei

MAX_CONSECUTIVE_FAILURES = 5
"""From this many failed pushes in a row on it is no bad luck."""


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
    STANDBY = "standby"
    """Not asked for anything, for a source before it delivers."""


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


def newest_event(sources: Iterable[SourceStatus]) -> float | None:
    """Unix seconds at which any of them brought prices last, new or not; None before the first."""
    return max((source.last_event_at for source in sources if source.last_event_at is not None), default=None)


class TrustState(StrEnum):
    """What a network makes of a source."""

    UNTRIED = "untried"
    TRUSTED = "trusted"
    REFUSED = "refused"
    """By the contract, or by a check of our own; it is tried again now and then."""


@dataclass(frozen=True, slots=True)
class SourceTrust:
    """One price source, as one network sees it."""

    source: str
    state: TrustState
    detail: str
    """Why it is refused, or empty."""


@dataclass(frozen=True, slots=True)
class SignersStatus:
    """Whose signatures a network wants before it pays."""

    named_by: str
    """`settings` or `contract`."""
    number: int | None
    """Of the contract's current set, where it names them."""
    signers: int
    """So many."""
    quorum: int | None
    """How many of them must have signed; None while they are not known."""
    detail: str = ""
    """Why the contract could not be asked the last time, or empty."""


class EndpointState(StrEnum):
    """How an RPC endpoint is doing."""

    HEALTHY = "healthy"
    HALF_OPEN = "half_open"
    """It answers again after a failure, and has yet to prove itself."""
    LAGGING = "lagging"
    """It knows fewer blocks than others do: it is asked last."""
    THROTTLED = "throttled"
    """It asked to be left alone for a while."""
    RESTING = "resting"
    """It failed: it is only asked when no other is left, until it answers a probe."""
    WRONG_CHAIN = "wrong_chain"
    """It serves another chain: it is not used."""


REQUEST_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class RequestTimes(NamedTuple):
    """How long requests took."""

    counts: tuple[int, ...] = (0,) * (len(REQUEST_BUCKETS_S) + 1)
    """How many took no longer than each of REQUEST_BUCKETS_S, and longer than the one before; then, longer than all."""
    total_s: float = 0.0


@dataclass(frozen=True, slots=True)
class EndpointStatus:
    """One RPC endpoint, by name: its URL may hold a key."""

    name: str
    state: EndpointState = EndpointState.HEALTHY
    detail: str = ""
    """The last problem; empty when it is over."""
    latency_s: float | None = None
    """Of its answers, averaged; None before the first."""
    lag_blocks: int = 0
    """How far it was behind others when it last told its newest block."""
    request_times: Mapping[str, RequestTimes] = field(default_factory=dict)
    """By outcome, every one of them; a batch counts once."""
    notifications: int = 0
    """Of subscriptions."""

    @property
    def healthy(self) -> bool:
        """Whether it may be relied on."""
        return self.state not in {EndpointState.RESTING, EndpointState.WRONG_CHAIN, EndpointState.LAGGING}


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
    out_of_policy_s: float = 0.0
    """How long the price on chain did not keep its policy since the start."""
    rival_writes: int = 0
    """Times that somebody else wrote it since the start."""
    state: FeedState = FeedState.OK
    """How it is doing at its sources."""
    coming: Price | None = None
    """The price that will be on chain once everything in flight has landed: what the judgement goes by."""
    policy: FeedPolicy | None = None
    """As far as the budget allows for now."""
    brought_by: str | None = None
    """The source that brought the price."""


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
class Following:
    """How the keeper knows what is on chain."""

    mode: str = "polling"
    live: bool = False
    """Whether the chain tells it by itself."""
    interval_s: float = 0.0
    """How often it is read all the same."""
    sightings: Sightings = field(default_factory=Sightings)
    """Who stored which price, as far as it was seen."""
    calls_last_hour: Mapping[str, int] = field(default_factory=dict)
    """JSON-RPC requests by method."""


@dataclass(frozen=True, slots=True)
class ShadowFeed:
    """What a dry run would have done for one feed, beside what others did, since the start."""

    alias: str
    ours: int
    """Pushes that we would have made with the feed in them."""
    theirs: int
    """Writes of others that were seen on chain."""
    ours_first: int
    """Writes of others before which we would have pushed, since their write before."""
    theirs_first: int
    """Writes of others before which we would not."""
    mean_lead_s: float | None
    """By how much we would have been first, where we were."""
    mean_lag_s: float | None
    """How long after them we would have pushed, where they were first and we followed."""
    cost: Wei
    """Estimate of what ours would have taken, its share of each push."""


@dataclass(frozen=True, slots=True)
class ShadowStatus:
    """A dry run beside another pusher."""

    feeds: tuple[ShadowFeed, ...] = ()
    """Those of which there is anything to tell."""

    @property
    def cost(self) -> Wei:
        """Of all feeds."""
        return Wei(sum(feed.cost for feed in self.feeds))


@dataclass(frozen=True, slots=True)
class Leadership:
    """Who sends for a network's account, as this process knows it."""

    held: bool = True
    """Whether this one does."""
    shard: str = ""
    """The account on its chain; empty where nobody else is reckoned with."""
    holder: str = ""
    """Who does; empty where that is nobody, or not known."""
    epoch: int = 0
    """So many times it was taken over."""
    since: float | None = None
    """Unix seconds since when the holder does, by the holder's clock."""
    trouble: str = ""
    """Why nobody can tell; empty while all is well."""


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
    replacements: int = 0
    """Transactions that outbid an earlier one with the same nonce."""
    longest_wait_s: float = 0.0
    """How long the oldest transaction that a node may hold has not been mined; 0 while there is none."""
    spending: SpendStatus = SpendStatus()
    shadow: ShadowStatus | None = None
    """In a dry run only."""
    in_policy: InPolicy = ALL_UNKNOWN
    following: Following = field(default_factory=Following)
    trust: tuple[SourceTrust, ...] = ()
    """One row a source that has delivered."""
    signers: SignersStatus | None = None
    """None where the contract alone judges."""
    pause: Pause | None = None
    """By order of an operator."""
    leadership: Leadership = Leadership()
    newest_push: int = 0
    """The number of the last push that was planned; numbers grow, and 0 is none."""
    final_push: int = 0
    """The newest that is as deep in the chain as was asked for, likewise."""


@dataclass(frozen=True, slots=True)
class ConfigStatus:
    """The settings, as far as they are read anew while the keeper runs."""

    trouble: str = ""
    """Why the last reading changed nothing; empty where it was fine."""
    needs_restart: tuple[str, ...] = ()
    """What was set otherwise since the start, and only holds after the next."""


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
    config: ConfigStatus = ConfigStatus()
    health_told_at: float | None = None
    """When the health line was last logged."""
