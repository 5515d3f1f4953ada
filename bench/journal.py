"""How long a record of the journal takes, which every transaction waits for before it is sent."""

import asyncio
import gc
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bench.tables import median, p99, table
from keeper.domain.fees import GasOffer
from keeper.domain.gas import PushShape
from keeper.domain.plan import Plan
from keeper.domain.policy import Reason
from keeper.domain.price import Price
from keeper.domain.transaction import Attempt, Fate, FeedWrite, Flight, Receipt, SignedTransaction, State
from keeper.domain.units import FeedId, Gas, Wei
from keeper.journal.address import PostgresServer, SqliteFile, Sync, parse_journal_url
from keeper.journal.postgres import PostgresJournal
from keeper.journal.sqlite import SqliteJournal
from keeper.ports import Account, Journal, Note
from tests.support.postgres import HOW_TO_INSTALL, PostgresProcess, find

_UPDATE_BYTES = 4_400
"""Of an update of ten feeds, as Pyth signs it."""
_PRICES = {FeedId(f"{number:064x}"): Price(10**8, 10**4, -8, 1_700_000_000) for number in range(10)}
_PLAN = Plan(
    feeds=tuple((feed, Reason.DEVIATION) for feed in _PRICES),
    prices=_PRICES,
    blobs=(),
    shape=PushShape(len(_PRICES), 0, 1, 13),
    gas_limit=Gas(400_000),
    value=Wei(len(_PRICES)),
    newest_arrival=0.0,
    complete=True,
)
_OFFER = GasOffer(Wei(2 * 10**9), Wei(10**9))
_ACCOUNT = Account("bench", 1, f"0x{0:040x}")
_WARM_UP = 50
_REST_S = 0.02
"""Between one push and the next."""
_MS = 1000


async def journal_table(*, pushes: int) -> str:
    """The table."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for sync in Sync:
            journal = SqliteJournal(SqliteFile(Path(folder) / f"{sync}.db"), sync=sync)
            rows.append(_row(f"SQLite, `JOURNAL_SYNC={sync}`", *await _measured(journal, pushes)))
    if find("initdb") is None:
        rows.append([HOW_TO_INSTALL, *"----"])
    else:
        with PostgresProcess(durable=True) as postgres:
            server = parse_journal_url(await postgres.new_database())
            assert isinstance(server, PostgresServer)
            rows.append(_row("PostgreSQL on this machine", *await _measured(PostgresJournal(server), pushes)))
    return table(("Journal", "Before sending p50", "p99", "After it p50", "p99"), rows)


def _row(name: str, before: list[float], after: list[float]) -> list[str]:
    return [name, *(f"{seconds * _MS:.2f} ms" for times in (before, after) for seconds in (median(times), p99(times)))]


async def _measured(journal: Journal, pushes: int) -> tuple[list[float], list[float]]:
    """Seconds of every record before a broadcast, and of every later one."""
    before, after = [], []
    await journal.open()
    await journal.recover(_ACCOUNT)
    gc.collect()
    gc.freeze()
    for push in range(1, _WARM_UP + pushes + 1):
        await asyncio.sleep(_REST_S)
        first, *others = [await _seconds(journal, flight, kind) for flight, kind in _story(push)]
        if push > _WARM_UP:
            before.append(first)
            after.extend(others)
    gc.unfreeze()
    await journal.close()
    return before, after


async def _seconds(journal: Journal, flight: Flight, kind: str) -> float:
    note = Note(time.time(), kind, flight.newest.signed.hash)
    started = time.perf_counter()
    await journal.record(_ACCOUNT, flight, note)
    return time.perf_counter() - started


def _story(push: int) -> Iterator[tuple[Flight, str]]:
    """What is recorded of a push that goes well."""
    signed = Attempt(SignedTransaction(os.urandom(_UPDATE_BYTES), os.urandom(32)), _OFFER, _PLAN)
    held = replace(signed, fate=Fate.HELD)
    receipt = Receipt(
        tx_hash=signed.signed.hash,
        block_number=push,
        block_hash=os.urandom(32),
        succeeded=True,
        gas_used=Gas(300_000),
        effective_gas_price=_OFFER.tip,
        l1_fee=Wei(0),
        writes=tuple(FeedWrite(feed, price.publish_time, price.price, price.conf) for feed, price in _PRICES.items()),
    )
    yield Flight(push, push, (signed,)), "signed"
    yield Flight(push, push, (held,)), "taken"
    yield Flight(push, push, (held,), receipt), "mined"
    yield Flight(push, push, (held,), receipt, State.FINAL), "final"
