"""The shape of /status. Keys are stable: new ones may come, none changes its meaning.

Times are Unix seconds, `*_s` are seconds. Amounts, prices and deviations are strings, exact to the last digit. Feeds
and their parts, of which there may be thousands, are kept from the garbage collector: its pauses are the event loop's.
"""

import msgspec

from keeper.domain.budget import SpendLimit, SpendMode
from keeper.domain.feed_state import FeedState
from keeper.domain.policy import Reason, Verdict
from keeper.domain.status import EndpointState, SourceState, TrustState
from keeper.domain.transaction import Outcome
from keeper.server.health import Level


class Amount(msgspec.Struct, frozen=True):
    """An amount of the chain's coin."""

    wei: str
    native: str
    """The same as a decimal number of whole coins."""


class PriceView(msgspec.Struct, frozen=True, gc=False):
    """One price: `price` and `conf` are integers to be multiplied by 10**expo."""

    price: str
    conf: str
    expo: int
    value: str
    """The price as a decimal number."""
    publish_time: int
    age_s: float
    """By the wall clock."""


class LastPush(msgspec.Struct, frozen=True, gc=False):
    """The last push of ours with the feed in it, and how it ended."""

    at: float
    outcome: Outcome | None


class FeedView(msgspec.Struct, frozen=True, gc=False):
    """One feed on one network."""

    id: str
    alias: str
    source: PriceView | None
    on_chain: PriceView | None
    """None for a feed that was never pushed."""
    deviation_percent: str | None
    """Of the source price from the on-chain price, without sign."""
    age_s: float | None
    """Of the on-chain price, by the wall clock."""
    verdict: Verdict
    reason: Reason
    last_push: LastPush | None
    out_of_policy_s: float
    """How long the price on chain did not keep its policy since the start."""
    rival_writes: int
    """Times that somebody else wrote it since the start."""
    state: FeedState
    """How it is doing at its sources."""
    deviation_threshold_percent: str | None
    """The deviation that makes it due; None where no rule in force says so."""
    heartbeat_s: int | None
    """The age on chain that makes it due; None likewise."""


class EndpointView(msgspec.Struct, frozen=True):
    """One RPC endpoint, by name."""

    name: str
    healthy: bool
    state: EndpointState
    detail: str
    latency_ms: float | None
    """Of its answers, averaged over the last ones."""
    lag_blocks: int
    """How far it was behind others when it last told its newest block."""


class Spent(msgspec.Struct, frozen=True):
    """What the pushes since the start took from the account."""

    gas: Amount
    update_fees: Amount
    total: Amount


class SpendingView(msgspec.Struct, frozen=True):
    """How freely a network spends, and what it would offer for gas now."""

    mode: SpendMode
    limit: SpendLimit | None
    """None in normal mode."""
    today: Amount
    """Spent since midnight UTC, on gas and update fees."""
    daily_budget: Amount | None
    """None without a budget."""
    runway_hours: float | None
    """How long the balance lasts at the burn of the last day."""
    fee_cap_gwei: str | None
    tip_gwei: str | None


class InPolicyView(msgspec.Struct, frozen=True):
    """In how much of the time, over all feeds, the prices on chain kept their policies."""

    since_start_percent: str | None
    last_hour_percent: str | None


class ShadowFeedView(msgspec.Struct, frozen=True, gc=False):
    """What a dry run would have done for one feed, beside what others did."""

    alias: str
    ours: int
    theirs: int
    ours_first: int
    theirs_first: int
    mean_lead_s: float | None
    mean_lag_s: float | None
    cost: Amount


class TrustView(msgspec.Struct, frozen=True):
    """One price source, as one network sees it."""

    source: str
    state: TrustState
    detail: str
    """Why its prices are not used, or empty."""


class SignersView(msgspec.Struct, frozen=True):
    """Whose signatures a network wants before it pays."""

    named_by: str
    number: int | None
    """Of the contract's current set."""
    signers: int
    quorum: int | None
    detail: str
    """Why the contract could not be asked the last time, or empty."""


class PauseView(msgspec.Struct, frozen=True):
    """Nothing new is pushed, by order of an operator."""

    by: str
    since: float


class LeadershipView(msgspec.Struct, frozen=True):
    """Who sends for a network's account, as this keeper knows it."""

    held: bool
    """Whether this one does."""
    shard: str
    """The account on its chain; empty where nobody else is reckoned with."""
    holder: str
    """Who does; empty where that is nobody, or not known."""
    epoch: int
    """So many times it was taken over."""
    since: float | None
    trouble: str
    """Why nobody can tell, or empty."""


class NetworkView(msgspec.Struct, frozen=True):
    """One network."""

    name: str
    chain_id: int | None
    contract: str
    account: str
    dry_run: bool
    ready: bool
    detail: str
    paused: PauseView | None
    """None unless an operator has paused it."""
    leadership: LeadershipView
    following: str
    """How the keeper knows what is on chain."""
    block: int | None
    balance: Amount | None
    nonce: int | None
    """The next one to be used."""
    in_flight: int
    consecutive_failures: int
    pushes: dict[str, int]
    """By outcome; every outcome has its key."""
    replacements: int
    """Transactions that outbid an earlier one with the same nonce."""
    spent: Spent
    spending: SpendingView
    in_policy: InPolicyView
    last_push_at: float | None
    newest_push: int
    """The number of the last push that was planned; 0 before the first."""
    final_push: int
    """The newest that is final."""
    sources: list[TrustView]
    """Those that have delivered."""
    signers: SignersView | None
    """None where the contract alone judges."""
    endpoints: list[EndpointView]
    rpc_calls: dict[str, int]
    """JSON-RPC requests by method since the start."""
    feeds: list[FeedView]
    shadow: list[ShadowFeedView] | None
    """In a dry run only."""


class SourceView(msgspec.Struct, frozen=True):
    """One price source."""

    name: str
    state: SourceState
    connected: bool
    detail: str
    last_event_at: float | None
    last_event_age_s: float | None
    events: int
    reconnects: int


class ConfigView(msgspec.Struct, frozen=True):
    """The settings, as far as they are read anew while the keeper runs."""

    trouble: str
    """Why the last reading changed nothing; empty where it was fine."""
    needs_restart: list[str]
    """What was set otherwise since the start, and only holds after the next."""


class StatusView(msgspec.Struct, frozen=True):
    """The whole process."""

    version: str
    now: float
    started_at: float
    uptime_s: float
    dry_run: bool
    """Whether no network sends anything."""
    stopping: bool
    health: Level
    problems: dict[str, str]
    """Every component that is not healthy, and why."""
    sources: list[SourceView]
    networks: list[NetworkView]
    config: ConfigView
