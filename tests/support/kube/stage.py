"""A chain, prices that never stand still, a fleet of keepers on a real API server, and the verdict on what they did."""

import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from eth_account import Account

from keeper.lab.anvil import DEV_ADDRESS, Anvil
from keeper.lab.hermes import HermesSimulator
from tests.support.keeper_process import devnet_contract, environment, simulator_running
from tests.support.kube.api_server import KubeApiServer, ServiceAccount
from tests.support.kube.fleet import PATIENCE_S, Fleet, Replica, Term
from tests.support.kube.landings import Landings
from tests.support.kube.manifests import PLAIN, find
from tests.support.node import Node
from tests.support.waiting import wait_until

FEEDS = 5
RESTLESS = {"DEBOUNCE_MS": "0", "MIN_PRICE_CHANGE_PERCENT": "0.0001", "CONFIRMATIONS": "1", "LOG_LEVEL": "debug"}
"""A price is due whenever it is newer than the one on chain: once a second, for times are whole seconds."""
CADENCE_S = 1.0
_TRANSIT_S = 0.25
"""Between what a keeper does and what the wire sees of it, on a busy machine."""
_CLOCK_GRAIN_S = 0.005
"""Of log lines."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table of faults."""

    fault: str
    takeover_s: float | None
    """From the fault until a price is on chain again; None where nobody had to take over."""
    gap_s: float
    """The longest time beyond the usual second in which no new price came to be on chain."""
    landed: int
    duplicates: int


@dataclass
class Stage:
    """All that a drill needs."""

    kube: KubeApiServer
    account: ServiceAccount
    node: Node
    node_url: str
    simulator: HermesSimulator
    contract: str
    landings: Landings
    environ: dict[str, str]
    folder: Path
    first_nonce: int
    """Of the one account that most drills use."""
    report: Callable[[Row], None]
    accounts: list[str] = field(default_factory=lambda: [DEV_ADDRESS])

    @property
    def feed(self) -> str:
        """The first one."""
        return self.simulator.feed_ids[0]

    def fleet(self, lease_s: int, **settings: str) -> Fleet:
        """No keeper yet."""
        return Fleet(
            account=self.account,
            node_url=self.node_url,
            environ=self.environ | settings,
            folder=self.folder,
            lease_s=lease_s,
        )

    async def several_accounts(self) -> Mapping[str, object]:
        """Settings with a network for each feed, of an account of its own."""
        blocks = []
        for number, feed in enumerate(self.simulator.feed_ids):
            key = bytes([number + 1]) * 32
            address = Account.from_key(key).address
            await self.node.request("anvil_setBalance", address, hex(10**20))
            key_file = self.folder / f"key-{number}"
            key_file.write_text(key.hex())
            self.accounts.append(address)
            blocks.append({"name": f"net-{number}", "private_key_file": str(key_file), "feeds": [feed]})
        return {"networks": blocks}

    async def writes(self, count: int, *, since: float, feed: str = "") -> float:
        """Wait until so many prices are on chain since then; returns when the first of them was."""
        await wait_until(lambda: len(self.landings.since(since, feed or self.feed)) >= count, timeout_s=PATIENCE_S)
        return self.landings.since(since, feed or self.feed)[0].seen_at

    async def judge(
        self, fleet: Fleet, fault: str, *, at: float, takeover_s: float | None = None, late_writes: int = 0
    ) -> Row:
        """Once no keeper runs: who sent when, and what came of it; the row goes into the table.

        `late_writes` are those that a frozen leader may have checked before, and hand over after.
        """
        for network in {term.network for replica in fleet.replicas for term in replica.terms()}:
            assert_one_at_a_time(fleet, network)
        for replica in fleet.replicas:
            assert_silent_outside_of_terms(fleet, replica, late_writes)
        count = await self.landings.count(self.accounts)
        gap_s = max(0.0, self.landings.longest_gap_s(at, self.feed) - CADENCE_S)
        row = Row(fault, takeover_s, gap_s, count.landed, count.duplicates)
        self.report(row)
        assert count.duplicates == 0, "each transaction on chain wrote what no other had written"
        return row


def assert_one_at_a_time(fleet: Fleet, network: str) -> None:
    """Terms do not overlap, and each has an epoch of its own."""
    terms = fleet.terms(network)
    for term, following in pairwise(terms):
        # One that is written and answered too late is never led in.
        assert following.epoch == 1 or following.epoch > term.epoch, "epochs grow, and begin anew with a new record"
        assert term.is_open or term.until <= following.since + _CLOCK_GRAIN_S or _was_frozen(fleet, term), network


def assert_silent_outside_of_terms(fleet: Fleet, replica: Replica, late_writes: int) -> None:
    """Nothing is signed, and nothing is sent, while somebody else leads or nobody does."""
    terms = [_as_others_saw(fleet, term) for term in replica.terms()]
    late = [sent for sent, _ in replica.gate.heard if not _within(sent, terms, _TRANSIT_S)]
    assert len(late) <= late_writes, f"{replica.name} sent at {late}, and led in {terms}"
    early = [signed for signed in _signatures(replica) if not _within(signed, terms, _CLOCK_GRAIN_S)]
    assert len(early) <= late_writes, f"{replica.name} signed at {early}, and led in {terms}"


def _as_others_saw(fleet: Fleet, term: Term) -> Term:
    """It was over at the latest when the next one began."""
    following = [other.since for other in fleet.terms(term.network) if other.since > term.since]
    return Term(term.replica, term.network, term.epoch, term.since, min([term.until, *following]))


def _was_frozen(fleet: Fleet, term: Term) -> bool:
    return any(replica.name == term.replica and replica.frozen for replica in fleet.replicas)


def _within(moment: float, terms: Sequence[Term], tolerance_s: float) -> bool:
    return any(term.since - tolerance_s <= moment <= term.until + tolerance_s for term in terms)


def _signatures(replica: Replica) -> list[float]:
    if not replica.journal.exists():
        return []
    with closing(sqlite3.connect(replica.journal)) as connection:
        return [signed_at for (signed_at,) in connection.execute("SELECT signed_at FROM keeper_attempts")]


@asynccontextmanager
async def staged(
    kube: KubeApiServer, anvil: Anvil, node: Node, *, folder: Path, report: Callable[[Row], None]
) -> AsyncIterator[Stage]:
    """A fresh chain, and a namespace with the rights that the manifests grant."""
    rights = find(PLAIN, "Role")["rules"]
    account = kube.service_account(f"drill-{time.time_ns()}", rules=rights)
    async with (
        simulator_running(feeds=FEEDS, volatility_ppm=200) as simulator,
        devnet_contract(anvil, simulator) as contract,
        Landings(node, contract) as landings,
    ):
        yield Stage(
            kube=kube,
            account=account,
            node=node,
            node_url=anvil.url,
            simulator=simulator,
            contract=contract,
            landings=landings,
            environ=environment(anvil.url, simulator, contract, folder) | RESTLESS,
            folder=folder,
            first_nonce=int(await node.request("eth_getTransactionCount", DEV_ADDRESS, "latest"), 16),
            report=report,
        )
