"""From settings to who may send: what several keepers with one key agree by."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from secrets import token_hex
from tempfile import gettempdir
from typing import Never

from keeper.app.coordination_settings import Coordination
from keeper.app.settings import Settings
from keeper.coordination.boottime import boottime
from keeper.coordination.elections import Elections
from keeper.coordination.file_lock import FileLock
from keeper.coordination.kubernetes.access import SERVICE_ACCOUNT, Access, api_url, namespace_in
from keeper.coordination.kubernetes.leases import KubernetesLeases
from keeper.coordination.lease import LeaseStore, Pace
from keeper.coordination.mandate import Office
from keeper.coordination.orders import LeaseOrders
from keeper.coordination.postgres import PostgresLeases
from keeper.coordination.solo import Solo
from keeper.coordination.trouble import Trouble
from keeper.domain.errors import UsageError
from keeper.journal.address import PostgresServer
from keeper.ports import Clock, Emit, Mandate

_MS = 1000


@dataclass(frozen=True, slots=True)
class Coordinator:
    """Makes the mandates of a process, and keeps them going."""

    mandate: Callable[[str], Mandate]
    """For a network, by its name."""
    run: Callable[[], Coroutine[None, None, Never]]
    close: Callable[[], Awaitable[None]]
    orders: LeaseOrders | None = None
    """Where operators leave their orders; None leaves that to the journal."""


def coordinator(settings: Settings, *, clock: Clock, emit: Emit) -> Coordinator:
    """As the settings want it; nothing is opened yet. Raises UsageError where something is missing."""
    match chosen(settings):
        case Coordination.KUBERNETES:
            store = KubernetesLeases(access(settings), group=settings.lease_name_prefix)
            agreed = _by_leases(store, settings, clock, emit)
            shared = isinstance(settings.journal, PostgresServer)
            return agreed if shared else replace(agreed, orders=LeaseOrders(store))
        case Coordination.POSTGRES:
            return _by_leases(_postgres(settings), settings, clock, emit)
        case Coordination.FILE:
            return _by_lock(clock, emit, waits=True)
        case Coordination.AUTO:
            return _by_lock(clock, emit, waits=False)
        case Coordination.NONE:
            return Coordinator(lambda _: Solo(), _for_ever, _nothing)


def chosen(settings: Settings) -> Coordination:
    """What `auto` comes to; itself where there is nothing to agree by: a second keeper on this machine is refused."""
    if settings.coordination is not Coordination.AUTO:
        return settings.coordination
    if settings.kubernetes_service_host and (_folder(settings) / "token").exists():
        return Coordination.KUBERNETES
    return Coordination.POSTGRES if isinstance(settings.journal, PostgresServer) else Coordination.AUTO


def access(settings: Settings) -> Access:
    """The API of the cluster; raises UsageError where the settings do not tell where it is."""
    folder = _folder(settings)
    namespace = namespace_in(folder)
    if not settings.kubernetes_service_host:
        raise UsageError(
            "COORDINATION=kubernetes needs KUBERNETES_SERVICE_HOST, which Kubernetes sets in every pod: outside of one,"
            " set COORDINATION=file or postgres"
        )
    if not namespace:
        raise UsageError(f"there is no service account at {folder}: let the pod have its token mounted")
    return Access(
        url=api_url(settings.kubernetes_service_host, str(settings.kubernetes_service_port)),
        folder=folder,
        namespace=namespace,
    )


def _folder(settings: Settings) -> Path:
    return Path(settings.kubernetes_service_account or SERVICE_ACCOUNT)


def _postgres(settings: Settings) -> PostgresLeases:
    if not isinstance(settings.journal, PostgresServer):
        raise UsageError("COORDINATION=postgres needs a JOURNAL_URL of PostgreSQL: that is where the keepers agree")
    server = settings.journal
    return PostgresLeases(server.url, server.label, password=server.password)


def _by_lock(clock: Clock, emit: Emit, *, waits: bool) -> Coordinator:
    try:
        folder = Path(gettempdir())
    except FileNotFoundError as exc:
        raise UsageError(
            "there is no folder for a lock that can be written: set TMPDIR to one that all keepers of this machine"
            " share, or COORDINATION=none where no other keeper has this key"
        ) from exc
    return Coordinator(
        lambda network: FileLock(network, folder, waits=waits, clock=clock, emit=emit), _for_ever, _nothing
    )


def _by_leases(store: LeaseStore, settings: Settings, clock: Clock, emit: Emit) -> Coordinator:
    office = Office(
        store=store,
        identity=f"{settings.pod_name or socket.gethostname()}_{token_hex(4)}",
        pace=Pace(settings.lease_duration_ms // _MS),
        boottime=boottime,
        clock=clock,
        emit=emit,
        trouble=Trouble(emit),
    )
    elections = Elections(office)
    return Coordinator(elections.mandate, elections.run, store.close)


async def _for_ever() -> Never:
    while True:
        await asyncio.Event().wait()


async def _nothing() -> None:
    return
