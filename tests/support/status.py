"""A keeper that is well, to be changed where a test wants it otherwise."""

from dataclasses import replace

from keeper.domain.feed_state import FeedState
from keeper.domain.freshness import InPolicy
from keeper.domain.policy import DUE, HELD, Deviation, FeedPolicy, Reason, Staleness
from keeper.domain.price import Price
from keeper.domain.status import (
    EndpointState,
    EndpointStatus,
    FeedStatus,
    KeeperStatus,
    NetworkStatus,
    RequestTimes,
    SignersStatus,
    SourceState,
    SourceStatus,
    SourceTrust,
    SpendStatus,
    TrustState,
)
from keeper.domain.transaction import Outcome
from keeper.domain.units import FeedId, Ppm, Wei

NOW = 1_760_000_000.25
ACCOUNT = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
CONTRACT = "0x5FbDB2315678afecb367f032d93F642f64180aa3"


def feed_id(number: int) -> FeedId:
    """A feed id that is like no other."""
    return FeedId(f"{number:064x}")


BTC = FeedStatus(
    feed_id=feed_id(1),
    alias="BTC/USD",
    source=Price(price=6_140_993_501_000, conf=3_287_868_567, expo=-8, publish_time=1_759_999_999),
    on_chain=Price(price=6_134_859_000_000, conf=3_100_000_000, expo=-8, publish_time=1_759_999_988),
    deviation_ppm=999,
    judgement=DUE[Reason.DEVIATION],
    last_push_at=1_759_999_988.75,
    last_push_outcome=Outcome.CONFIRMED,
    out_of_policy_s=2.5,
    rival_writes=3,
    policy=FeedPolicy(rules=(Deviation(Ppm(5_000)), Staleness(60))),
)
NEW_FEED = FeedStatus(
    feed_id=feed_id(2),
    alias="NEW/USD",
    source=None,
    on_chain=None,
    deviation_ppm=None,
    judgement=HELD[Reason.NO_SOURCE_PRICE],
    last_push_at=None,
    last_push_outcome=None,
    state=FeedState.NO_PRICE,
)
SOURCE = SourceStatus(
    name="hermes",
    state=SourceState.STREAMING,
    connected=True,
    detail="",
    last_event_at=NOW - 0.25,
    events=4_321,
    reconnects=2,
)
NETWORK = NetworkStatus(
    name="devnet",
    chain_id=31_337,
    contract=CONTRACT,
    account=ACCOUNT,
    dry_run=False,
    ready=True,
    detail="",
    block=77,
    balance=Wei(1_500_000_000_000_000_000),
    nonce=12,
    in_flight=1,
    replacements=3,
    consecutive_failures=0,
    pushes={Outcome.CONFIRMED: 10, Outcome.NOTHING_NEWER: 1},
    spent_gas=Wei(123_456_789_000_000),
    spent_update_fees=Wei(11),
    last_push_at=NOW - 11.5,
    newest_push=12,
    final_push=10,
    endpoints=(
        EndpointStatus(
            "rpc-1",
            latency_s=0.0123456,
            request_times={"ok": RequestTimes((0, 0, 3, 1, *[0] * 9), 0.021)},
            notifications=5,
        ),
        EndpointStatus("rpc-2", EndpointState.HALF_OPEN, lag_blocks=1),
    ),
    rpc_calls={"eth_sendRawTransaction": 11, "eth_call": 3},
    feeds=(BTC, NEW_FEED),
    trust=(SourceTrust("hermes", TrustState.TRUSTED, ""),),
    signers=SignersStatus("contract", 1, 5, 3),
    spending=SpendStatus(
        spent_today=Wei(20_000_000_000_000),
        daily_budget=Wei(10**17),
        runway_s=86_580,
        fee_cap=Wei(41_500_000_000),
        tip=Wei(1_500_000_000),
    ),
    in_policy=InPolicy(since_start=Ppm(999_300), last_hour=Ppm(1_000_000)),
)
KEEPER = KeeperStatus(
    version="0.1.0",
    started_at=NOW - 3_600,
    now=NOW,
    stopping=False,
    sources=(SOURCE,),
    networks=(NETWORK,),
    health_told_at=NOW - 20.0,
)


def with_source(**changes: object) -> KeeperStatus:
    """KEEPER with its source changed."""
    return replace(KEEPER, sources=(replace(SOURCE, **changes),))  # type: ignore[arg-type]  # any field


def with_network(**changes: object) -> KeeperStatus:
    """KEEPER with its network changed."""
    return replace(KEEPER, networks=(replace(NETWORK, **changes),))  # type: ignore[arg-type]  # any field


def with_feeds(count: int) -> KeeperStatus:
    """KEEPER with this many feeds, all alive."""
    return with_network(
        feeds=tuple(replace(BTC, feed_id=feed_id(number), alias=f"FEED{number}/USD") for number in range(count))
    )


class Watched:
    """An Observed whose state the test sets."""

    def __init__(self, current: KeeperStatus = KEEPER) -> None:
        self.current = current

    def status(self) -> KeeperStatus:
        return self.current
