"""From settings to a keeper that is ready to run: the one place where concrete parts meet."""

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from keeper.app.accounts import Accounts, signer
from keeper.app.alerting import Alerting
from keeper.app.clock import SystemClock
from keeper.app.control_settings import token_reader
from keeper.app.coordination import coordinator
from keeper.app.differences import aliases, policies
from keeper.app.log_events import LogEvents
from keeper.app.network_settings import Broadcast, NetworkSettings
from keeper.app.redaction import Redactor
from keeper.app.reload import Origin, Reloader
from keeper.app.runtime import Beside, Keeper
from keeper.app.settings import Settings
from keeper.app.spend_rules import fee_policy, spend_rules
from keeper.app.streaming import Streaming
from keeper.app.values import SignersOf
from keeper.coordination.solo import Solo
from keeper.domain.budget import DAY_S
from keeper.domain.events import Event
from keeper.domain.signers import ByContract, SignerCheck, SignerSet, majority
from keeper.domain.status import newest_event
from keeper.domain.transaction import Rules
from keeper.domain.units import FeedId
from keeper.evm.chain import EvmChain
from keeper.evm.rpc import RpcPool, transport
from keeper.hermes.config import HermesConfig, Timing
from keeper.hermes.several import HermesSources
from keeper.journal.address import PostgresServer, SqliteFile
from keeper.journal.database import Database, PostgresDatabase, SqliteDatabase
from keeper.journal.journal import StoredJournal
from keeper.journal.orders import JournalOrders
from keeper.journal.postgres import PostgresJournal
from keeper.journal.sqlite import SqliteJournal
from keeper.pipeline.config import NetworkConfig, SubmitConfig
from keeper.pipeline.journaling import DurableJournal, prune_hourly
from keeper.pipeline.network import Network
from keeper.pipeline.orders import Heeding
from keeper.ports import Clock, Emit, Outside
from keeper.server import cors, live_page, openapi, overview
from keeper.server.app import Server
from keeper.server.event_metrics import EventMetrics
from keeper.server.feeds import FeedRoutes
from keeper.server.gate import Patience
from keeper.server.orders import OrderRoutes
from keeper.server.safety import rate_limited

log = logging.getLogger(__name__)

_MS = 1000
_CONNECTIONS = 1000
"""Over HTTP, beside those that listen to the streams."""
_NEVER = 2**63
"""So many blocks nobody waits for."""
_RESEND_DOUBTFUL_S = 1.0
"""An attempt of which no node said a word is handed over again after so long."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a run consists of."""

    keeper: Keeper
    server: Server


@asynccontextmanager
async def assembled(
    settings: Settings, *, redactor: Redactor | None = None, dry_run: bool = False, origin: Origin | None = None
) -> AsyncIterator[Parts]:
    """Build everything, serve HTTP, and close all connections at the end; raises UsageError when the port is taken.

    `origin` is where settings are read anew from; without one they stay. `redactor` is told of every secret
    that is read anew.
    """
    clock = SystemClock()
    redactor = redactor or Redactor(settings.secrets())
    metrics = EventMetrics()
    logs = LogEvents(settings.aliases)
    streaming = Streaming(settings, clock, metrics.registry, redactor)
    alerting = Alerting(settings, clock=clock, redactor=redactor)
    listeners: tuple[Emit, ...] = (metrics, logs, *streaming.listeners, *alerting.listeners)

    def emit(event: Event) -> None:
        for listener in listeners:
            try:
                listener(event)
            except Exception:
                log.exception("listener_failed")

    journal = DurableJournal(journal_of(settings), on_failure=settings.journal_on_failure, clock=clock, emit=emit)
    source = HermesSources(hermes_configs(settings, redactor), mode=settings.hermes_mode, clock=clock, emit=emit)
    pools = [rpc_pool(network, clock, redactor) for network in settings.networks]
    accounts = Accounts()
    agreed = coordinator(settings, clock=clock, emit=emit)
    orders = agreed.orders or JournalOrders(database_of(settings))
    networks = [
        Network(
            config=_network_config(network, dry_run=dry_run),
            outside=Outside(
                chain=evm_chain(network, pool, admit=accounts.admission(network)),
                signer=signer(network),
                journal=journal,
                clock=clock,
                emit=emit,
                heard_at=lambda: newest_event(source.status()),
                orders=orders,
                mandate=Solo() if dry_run else agreed.mandate(network.network_name),
            ),
        )
        for network, pool in zip(settings.networks, pools, strict=True)
    ]

    def renamed(aliases: Mapping[FeedId, str]) -> None:
        logs.rename(aliases)
        streaming.rename(aliases)

    reloader = (
        None
        if origin is None
        else Reloader(settings, _learning(origin, redactor), networks=networks, source=source, renamed=renamed)
    )
    heeding = Heeding(orders, networks, clock)
    beside: Beside = {
        "journal pruning": partial(
            prune_hourly, journal, retention_s=settings.journal_retention_days * DAY_S, clock=clock
        ),
        "orders": heeding.run,
        "elections": agreed.run,
        "streaming": lambda: streaming.run(keeper),
        **alerting.tasks(lambda: keeper.status()),  # noqa: PLW0108  the keeper comes later
    }
    keeper = Keeper(source=source, networks=networks, clock=clock, reloader=reloader, beside=beside)
    read_token = token_reader(settings.control_token, settings.control_token_file)
    token = None if read_token is None else redactor.learning(read_token)
    control = OrderRoutes(keeper, orders, clock, token=token, asked=heeding.look_now)
    shown = [*overview.routes(keeper, metrics), *FeedRoutes(keeper).routes(), *live_page.routes(), *openapi.routes()]
    routes = [*shown, *streaming.routes(keeper), *control.routes()]
    limit = rate_limited(settings.http_requests_per_minute)
    server = Server(
        routes,
        [limit],
        host=settings.metrics_host,
        port=settings.metrics_port,
        patience=Patience(connections=_CONNECTIONS + settings.max_sse_connections + settings.max_websocket_connections),
        prepare=[cors.allowing(settings.cors_origins or ())],
        close=streaming.close,
    )
    try:
        await journal.open()
        async with server, alerting.hearing():
            yield Parts(keeper, server)
    finally:
        for pool in pools:
            await pool.close()
        await agreed.close()
        await orders.close()
        await journal.close()


def _learning(origin: Origin, redactor: Redactor) -> Origin:
    """The same, with the secrets of whatever is read kept out of texts from then on."""

    def load() -> Settings:
        settings = origin.load()
        redactor.learn(settings.secrets())
        return settings

    return Origin(load, origin.files)


def rpc_pool(network: NetworkSettings, clock: Clock, redactor: Redactor) -> RpcPool:
    """The pool of RPC endpoints; nothing is opened yet."""
    return RpcPool(
        [transport(endpoint.name, endpoint.url.get_secret_value(), redactor.clean) for endpoint in network.rpc_url],
        clock=clock,
    )


def evm_chain(network: NetworkSettings, pool: RpcPool, *, admit: Callable[[int], None]) -> EvmChain:
    """The chain as its account sees it."""
    return EvmChain(
        pool,
        contract=network.contract_address,
        account=signer(network).address,
        tip_percentile=network.tip_percentile,
        everywhere=network.broadcast is Broadcast.ALL,
        admit=admit,
        multicall=network.multicall_address,
    )


def journal_of(settings: Settings) -> StoredJournal:
    """The journal; nothing is opened yet."""
    match settings.journal:
        case SqliteFile() as file:
            return SqliteJournal(file, sync=settings.journal_sync)
        case PostgresServer() as server:
            return PostgresJournal(server)


def database_of(settings: Settings) -> Database:
    """The same, for reading now and then."""
    match settings.journal:
        case SqliteFile() as file:
            return SqliteDatabase(file)
        case PostgresServer() as server:
            return PostgresDatabase(server, keeps_connection=True)


def hermes_configs(settings: Settings, redactor: Redactor) -> list[HermesConfig]:
    """How each Hermes endpoint is used, in their order."""
    return [
        HermesConfig(
            name=place.endpoint.name,
            url=place.endpoint.url.get_secret_value(),
            feeds=settings.feeds,
            api_key=redactor.learning(place.key),
            polls_per_window=settings.hermes_poll_per_10s,
            timing=Timing(silence_s=settings.hermes_silence_ms / _MS),
        )
        for place in settings.hermes
    ]


def signer_rule(settings: NetworkSettings) -> SignerCheck | ByContract | None:
    """Whose signatures are wanted before an update is paid for; None leaves that to the contract."""
    signers, quorum = settings.hermes_signers, settings.hermes_signers_quorum
    if signers is None:
        return None
    if isinstance(signers, SignersOf):
        return ByContract(quorum)
    return SignerCheck(SignerSet(signers, quorum or majority(signers)))


def _network_config(settings: NetworkSettings, *, dry_run: bool) -> NetworkConfig:
    return NetworkConfig(
        submit=SubmitConfig(
            network=settings.network_name,
            contract=bytes.fromhex(settings.contract_address[2:]),
            rules=Rules(
                retries=settings.retry_attempts,
                replace_after_blocks=settings.replace_after_blocks or _NEVER,
                resend_doubtful_s=_RESEND_DOUBTFUL_S,
                resend_held_s=settings.resend_after_ms / _MS,
                confirmations=settings.confirmations,
            ),
            retry_delay_s=settings.retry_delay_ms / _MS,
            fees=fee_policy(settings),
            outbids=settings.outbids,
        ),
        spend=spend_rules(settings),
        aliases=aliases(settings),
        policies=policies(settings),
        debounce_s=settings.debounce_ms / _MS,
        debounce_mode=settings.debounce_mode,
        force_interval_s=(settings.force_update_interval_ms or 0) / _MS,
        poll_interval_s=settings.monitoring_interval_ms / _MS,
        polls_only=settings.state_polling_enabled,
        max_in_flight=settings.max_in_flight,
        if_necessary=settings.if_necessary,
        block_time_s=(settings.known_chain.block_time_s or 0.0) if settings.known_chain else 0.0,
        signers=signer_rule(settings),
        dry_run=dry_run,
    )
