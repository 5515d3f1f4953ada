"""From settings to a keeper that is ready to run: the one place where concrete parts meet."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from keeper.app.clock import SystemClock
from keeper.app.log_events import LogEvents
from keeper.app.runtime import Keeper
from keeper.app.settings import Settings
from keeper.domain.events import Event
from keeper.evm.chain import EvmChain
from keeper.evm.rpc import RpcPool, transport
from keeper.hermes.config import HermesConfig, Timing
from keeper.hermes.source import HermesSource
from keeper.pipeline.network import Network, NetworkConfig
from keeper.pipeline.submitter import RetryPolicy, Target
from keeper.ports import Clock, Emit
from keeper.server.app import Server
from keeper.server.event_metrics import EventMetrics
from keeper.signing.raw_key import RawKeySigner

_MS = 1000


@dataclass(frozen=True, slots=True)
class Parts:
    """What a run consists of."""

    keeper: Keeper
    server: Server


@asynccontextmanager
async def assembled(settings: Settings, *, dry_run: bool = False) -> AsyncIterator[Parts]:
    """Build everything, serve HTTP, and close all connections at the end; raises UsageError when the port is taken."""
    clock = SystemClock()
    metrics = EventMetrics()
    logs = LogEvents({feed.feed_id: feed.alias for feed in settings.feeds})

    def emit(event: Event) -> None:
        metrics(event)
        logs(event)

    pool = rpc_pool(settings, clock)
    keeper = Keeper(
        source=HermesSource(hermes_config(settings), clock=clock, emit=emit),
        networks=[_network(settings, pool, clock, emit, dry_run=dry_run)],
        clock=clock,
    )
    server = Server(keeper, metrics, host=settings.metrics_host, port=settings.metrics_port)
    try:
        async with server:
            yield Parts(keeper, server)
    finally:
        await pool.close()


def rpc_pool(settings: Settings, clock: Clock) -> RpcPool:
    """The pool of RPC endpoints; nothing is opened yet."""
    return RpcPool(
        [transport(endpoint.name, endpoint.url.get_secret_value()) for endpoint in settings.rpc_url], clock=clock
    )


def hermes_config(settings: Settings) -> HermesConfig:
    """How Hermes is used."""
    return HermesConfig(
        name=settings.hermes_url.name,
        url=settings.hermes_url.url.get_secret_value(),
        feeds=tuple(feed.feed_id for feed in settings.feeds),
        api_key=settings.hermes_key,
        polls_per_window=settings.hermes_poll_per_10s,
        timing=Timing(silence_s=settings.hermes_silence_ms / _MS),
    )


def signer(settings: Settings) -> RawKeySigner:
    """Whoever signs."""
    return RawKeySigner(bytes.fromhex(settings.private_key.get_secret_value()))


def _network(settings: Settings, pool: RpcPool, clock: Clock, emit: Emit, *, dry_run: bool) -> Network:
    account = signer(settings)
    return Network(
        config=NetworkConfig(
            target=Target(network=settings.network_name, contract=bytes.fromhex(settings.contract_address[2:])),
            aliases={feed.feed_id: feed.alias for feed in settings.feeds},
            policies={feed.feed_id: feed.policy for feed in settings.feeds},
            debounce_s=settings.debounce_ms / _MS,
            debounce_mode=settings.debounce_mode,
            force_interval_s=(settings.force_update_interval_ms or 0) / _MS,
            poll_interval_s=settings.monitoring_interval_ms / _MS,
            retry=RetryPolicy(
                attempts=settings.retry_attempts,
                delay_s=settings.retry_delay_ms / _MS,
                late_after_s=settings.replace_after_ms / _MS,
            ),
            dry_run=dry_run,
        ),
        chain=EvmChain(
            pool,
            contract=settings.contract_address,
            account=account.address,
            tip_percentile=settings.tip_percentile,
        ),
        signer=account,
        clock=clock,
        emit=emit,
    )
