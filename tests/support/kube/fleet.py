"""Keepers in processes of their own that compete for accounts by Leases of one API server."""

import asyncio
import json
import signal
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Self

from tests.support.gate import Gate
from tests.support.keeper_process import RunningKeeper, keeper_running
from tests.support.kube.api_server import ServiceAccount
from tests.support.proxy import FaultyProxy
from tests.support.waiting import wait_until

PATIENCE_S = 60.0
"""For anything: the machine may be busy."""


@dataclass(frozen=True, slots=True)
class Term:
    """A time in which a replica led, by its own word, in Unix seconds."""

    replica: str
    network: str
    epoch: int
    since: float
    until: float
    """Infinite while it lasts, and where it ended without a word."""

    @property
    def is_open(self) -> bool:
        """Whether nothing was heard of its end."""
        return self.until == float("inf")


@dataclass(eq=False)
class Replica:
    """One keeper, with a wire of its own to the chain and another one to the API server."""

    name: str
    folder: Path
    gate: Gate
    api: FaultyProxy
    stack: AsyncExitStack
    keeper: RunningKeeper = field(init=False)
    frozen: bool = False
    """Whether it ever was: then it did not hear in time that its term was over."""

    @property
    def journal(self) -> Path:
        """Where its journal is, unless it shares one."""
        return self.folder / "keeper-journal.db"

    def terms(self) -> list[Term]:
        """All of them, in their order."""
        terms: list[Term] = []
        for line in self.keeper.lines:
            if line["message"] == "leadership_gained":
                terms.append(Term(self.name, line["network"], line["epoch"], _at(line), float("inf")))
            elif line["message"] == "leadership_lost":
                (number,) = (at for at, term in enumerate(terms) if term.is_open and term.network == line["network"])
                terms[number] = replace(terms[number], until=_at(line))
        return terms

    def leads(self) -> set[str]:
        """The networks that it sends for now, by its own word."""
        return {term.network for term in self.terms() if term.is_open}

    async def kill(self) -> None:
        """`kill -9`."""
        self.keeper.process.kill()
        await self.keeper.process.wait()

    def freeze(self) -> None:
        """Not a step further, as on a machine that sleeps."""
        self.frozen = True
        self.keeper.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on where it was."""
        self.keeper.signal(signal.SIGCONT)


class Fleet:
    """All replicas there ever were, inside an `async with`."""

    def __init__(
        self, *, account: ServiceAccount, node_url: str, environ: Mapping[str, str], folder: Path, lease_s: int
    ) -> None:
        self._account = account
        self._node_url = node_url
        self._environ = dict(environ)
        self._folder = folder
        self.lease_s = lease_s
        self.replicas: list[Replica] = []
        self._running: list[Replica] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for replica in self._running:
            if replica.keeper.process.returncode is None:
                replica.thaw()
        await asyncio.gather(*(replica.stack.aclose() for replica in self._running))

    @property
    def running(self) -> list[Replica]:
        """Those that live, as far as anybody was told."""
        return [replica for replica in self._running if replica.keeper.process.returncode is None]

    async def start(self, count: int = 1, *, config: Mapping[str, object] | None = None) -> Sequence[Replica]:
        """So many more, once they are ready."""
        names = [f"pod-{len(self.replicas) + number}" for number in range(count)]
        return await asyncio.gather(*(self._start(name, config) for name in names))

    async def end(self, replica: Replica) -> None:
        """As Kubernetes ends a pod: SIGTERM, and time to end in order."""
        replica.keeper.signal(signal.SIGTERM)
        await replica.keeper.process.wait()

    def leader(self, network: str = "evm") -> Replica | None:
        """Who leads, among those that live; of a frozen one and another one, the other one."""
        leading = {
            term.since: replica
            for replica in self.running
            for term in replica.terms()
            if term.is_open and term.network == network
        }
        return leading[max(leading)] if leading else None

    async def settled_leader(self, network: str = "evm") -> Replica:
        """Who leads, once somebody does."""
        await wait_until(lambda: self.leader(network), timeout_s=PATIENCE_S)
        leader = self.leader(network)
        assert leader is not None
        return leader

    def terms(self, network: str = "evm") -> list[Term]:
        """Of all replicas, in their order."""
        terms = (term for replica in self.replicas for term in replica.terms() if term.network == network)
        return sorted(terms, key=lambda term: term.since)

    async def _start(self, name: str, config: Mapping[str, object] | None) -> Replica:
        stack = AsyncExitStack()
        folder = self._folder / name
        folder.mkdir()
        gate = await stack.enter_async_context(Gate(self._node_url))
        api = await stack.enter_async_context(FaultyProxy(int(self._account.url.rpartition(":")[2])))
        replica = Replica(name, folder, gate, api, stack)
        self.replicas.append(replica)
        self._running.append(replica)
        environ = self._environ | {
            "RPC_URL": gate.url,
            "LOG_FORMAT": "json",
            "COORDINATION": "kubernetes",
            "KUBERNETES_SERVICE_HOST": "127.0.0.1",
            "KUBERNETES_SERVICE_PORT": api.url.rpartition(":")[2],
            "KUBERNETES_SERVICE_ACCOUNT": str(self._account.folder),
            "LEASE_DURATION_MS": str(self.lease_s * 1000),
            "POD_NAME": name,
        }
        arguments: list[str] = []
        if config is not None:
            (folder / "keeper.yaml").write_text(json.dumps(config))
            arguments = ["--config", "keeper.yaml"]
        replica.keeper = await stack.enter_async_context(keeper_running(environ, folder, *arguments))
        return replica


def _at(line: Mapping[str, str]) -> float:
    return datetime.fromisoformat(line["timestamp"]).timestamp()
