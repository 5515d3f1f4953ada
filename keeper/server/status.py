"""From the keeper's state to the answer of /status."""

from keeper.domain.explanation import deviation_threshold, heartbeat_s
from keeper.domain.price import Price
from keeper.domain.status import (
    EndpointStatus,
    FeedStatus,
    KeeperStatus,
    NetworkStatus,
    ShadowFeed,
    SignersStatus,
    SourceStatus,
    SpendStatus,
)
from keeper.domain.transaction import Outcome
from keeper.domain.units import Wei
from keeper.server.decimals import decimal_text, gwei_text, native_text
from keeper.server.health import Level, health
from keeper.server.pacing import paced
from keeper.server.views import (
    Amount,
    ConfigView,
    EndpointView,
    FeedView,
    InPolicyView,
    LastPush,
    LeadershipView,
    NetworkView,
    PauseView,
    PriceView,
    ShadowFeedView,
    SignersView,
    SourceView,
    SpendingView,
    Spent,
    StatusView,
    TrustView,
)

_PPM_AS_PERCENT = -4
_HOUR_S = 3_600


async def status_view(status: KeeperStatus) -> StatusView:
    """The state as it is shown; the event loop turns while feeds are many."""
    overall = health(status)
    return StatusView(
        version=status.version,
        now=_rounded(status.now),
        started_at=_rounded(status.started_at),
        uptime_s=overall.uptime_s,
        dry_run=all(network.dry_run for network in status.networks),
        stopping=status.stopping,
        health=overall.status,
        problems={name: part.why for name, part in overall.components.items() if part.status is not Level.HEALTHY},
        sources=[_source(source, status.now) for source in status.sources],
        networks=[await _network(network, status.now) for network in status.networks],
        config=ConfigView(trouble=status.config.trouble, needs_restart=list(status.config.needs_restart)),
    )


def _source(source: SourceStatus, now: float) -> SourceView:
    return SourceView(
        name=source.name,
        state=source.state,
        connected=source.connected,
        detail=source.detail,
        last_event_at=_optional(source.last_event_at),
        last_event_age_s=None if source.last_event_at is None else _rounded(now - source.last_event_at),
        events=source.events,
        reconnects=source.reconnects,
    )


async def _network(network: NetworkStatus, now: float) -> NetworkView:
    return NetworkView(
        name=network.name,
        chain_id=network.chain_id,
        contract=network.contract,
        account=network.account,
        dry_run=network.dry_run,
        ready=network.ready,
        detail=network.detail,
        paused=None if network.pause is None else PauseView(by=network.pause.by, since=network.pause.since),
        leadership=LeadershipView(
            held=network.leadership.held,
            shard=network.leadership.shard,
            holder=network.leadership.holder,
            epoch=network.leadership.epoch,
            since=_optional(network.leadership.since),
            trouble=network.leadership.trouble,
        ),
        following=network.following.mode,
        block=network.block,
        balance=_optional_amount(network.balance),
        nonce=network.nonce,
        in_flight=network.in_flight,
        consecutive_failures=network.consecutive_failures,
        pushes={outcome.value: network.pushes.get(outcome, 0) for outcome in Outcome},
        replacements=network.replacements,
        spent=Spent(
            gas=_amount(network.spent_gas),
            update_fees=_amount(network.spent_update_fees),
            total=_amount(network.spent_gas + network.spent_update_fees),
        ),
        spending=_spending(network.spending),
        in_policy=InPolicyView(
            since_start_percent=_percent(network.in_policy.since_start),
            last_hour_percent=_percent(network.in_policy.last_hour),
        ),
        last_push_at=_optional(network.last_push_at),
        newest_push=network.newest_push,
        final_push=network.final_push,
        sources=[TrustView(source=row.source, state=row.state, detail=row.detail) for row in network.trust],
        signers=_signers(network.signers),
        endpoints=[_endpoint(endpoint) for endpoint in network.endpoints],
        rpc_calls=dict(network.rpc_calls),
        feeds=await paced(feed_view(feed, now) for feed in network.feeds),
        shadow=None if network.shadow is None else [_shadow(feed) for feed in network.shadow.feeds],
    )


def _signers(signers: SignersStatus | None) -> SignersView | None:
    if signers is None:
        return None
    return SignersView(
        named_by=signers.named_by,
        number=signers.number,
        signers=signers.signers,
        quorum=signers.quorum,
        detail=signers.detail,
    )


def _shadow(feed: ShadowFeed) -> ShadowFeedView:
    return ShadowFeedView(
        alias=feed.alias,
        ours=feed.ours,
        theirs=feed.theirs,
        ours_first=feed.ours_first,
        theirs_first=feed.theirs_first,
        mean_lead_s=_optional(feed.mean_lead_s),
        mean_lag_s=_optional(feed.mean_lag_s),
        cost=_amount(feed.cost),
    )


def _spending(spending: SpendStatus) -> SpendingView:
    return SpendingView(
        mode=spending.allowance.mode,
        limit=spending.allowance.limit,
        today=_amount(spending.spent_today),
        daily_budget=_optional_amount(spending.daily_budget),
        runway_hours=None if spending.runway_s is None else round(spending.runway_s / _HOUR_S, 1),
        fee_cap_gwei=None if spending.fee_cap is None else gwei_text(spending.fee_cap),
        tip_gwei=None if spending.tip is None else gwei_text(spending.tip),
    )


def _endpoint(endpoint: EndpointStatus) -> EndpointView:
    return EndpointView(
        name=endpoint.name,
        healthy=endpoint.healthy,
        state=endpoint.state,
        detail=endpoint.detail,
        latency_ms=None if endpoint.latency_s is None else round(endpoint.latency_s * 1000, 3),
        lag_blocks=endpoint.lag_blocks,
    )


def feed_view(feed: FeedStatus, now: float) -> FeedView:
    """One feed as it is shown, at `now`."""
    on_chain = price_view(feed.on_chain, now)
    return FeedView(
        id=feed.feed_id,
        alias=feed.alias,
        source=price_view(feed.source, now),
        on_chain=on_chain,
        deviation_percent=_percent(feed.deviation_ppm),
        age_s=None if on_chain is None else on_chain.age_s,
        verdict=feed.judgement.verdict,
        reason=feed.judgement.reason,
        last_push=None
        if feed.last_push_at is None
        else LastPush(at=_rounded(feed.last_push_at), outcome=feed.last_push_outcome),
        out_of_policy_s=_rounded(feed.out_of_policy_s),
        rival_writes=feed.rival_writes,
        state=feed.state,
        deviation_threshold_percent=None if feed.policy is None else _percent(deviation_threshold(feed.policy)),
        heartbeat_s=None if feed.policy is None else heartbeat_s(feed.policy),
    )


def price_view(price: Price | None, now: float) -> PriceView | None:
    """One price as it is shown, its age as of `now`."""
    if price is None:
        return None
    return PriceView(
        price=str(price.price),
        conf=str(price.conf),
        expo=price.expo,
        value=decimal_text(price.price, price.expo),
        publish_time=price.publish_time,
        age_s=_rounded(now - price.publish_time),
    )


def _percent(ppm: int | None) -> str | None:
    return None if ppm is None else decimal_text(ppm, _PPM_AS_PERCENT)


def _amount(wei: int) -> Amount:
    return Amount(wei=str(wei), native=native_text(wei))


def _optional_amount(wei: Wei | None) -> Amount | None:
    return None if wei is None else _amount(wei)


def _rounded(seconds: float) -> float:
    return round(seconds, 3)


def _optional(seconds: float | None) -> float | None:
    return None if seconds is None else _rounded(seconds)
