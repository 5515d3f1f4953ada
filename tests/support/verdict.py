"""Whether the journal and the chain tell the same story of an account."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select

from keeper.domain.transaction import State
from keeper.journal.address import SqliteFile, parse_journal_url
from keeper.journal.database import PostgresDatabase, SqliteDatabase
from keeper.journal.tables import attempts, pushes
from tests.support.node import Node

Found = Row[Any]


@dataclass(frozen=True, slots=True)
class Landed:
    """A transaction of the account on chain."""

    hash: str
    nonce: int
    block_hash: str
    data: str
    gas_cost: int
    value: int
    """What it transferred: nothing where it reverted."""


async def assert_books_match(
    node_url: str, journal_url: str, account: str, *, since_nonce: int = 0, strangers: Collection[str] = ()
) -> None:
    """Fail unless chain and journal agree on every transaction of the account from `since_nonce` on.

    `strangers` are the hashes of transactions that others sent with the account's key. The keeper must be at rest:
    nothing waits to be mined.
    """
    async with Node(node_url) as node:
        landed = await _landed(node, account, since_nonce)
        mined, pending = await _nonces(node, account)
    rows, tried = await _books(journal_url)
    own = {each.hash: each for each in landed if each.hash not in strangers}

    assert sorted(each.nonce for each in landed) == list(range(since_nonce, mined)), "one landed transaction per nonce"
    assert pending == mined, "nothing waits in the pool, least of all behind a gap"
    assert not own.keys() - tried.keys(), "every transaction on chain is in the journal"
    told = [row for row in rows if row.tx_hash is not None]
    assert Counter(_hex(row.tx_hash) for row in told) == Counter(own.keys()), "the journal tells of just these"
    assert max(Counter(tried[tx_hash].push for tx_hash in own).values(), default=1) == 1, "one landed per decision"
    updates = Counter(each.data for each in own.values() if each.data != "0x")
    assert max(updates.values(), default=1) == 1, "no update is paid for twice"
    for row in told:
        _assert_tells(row, own[_hex(row.tx_hash)], tried)
    open_rows = [(row.push, row.state) for row in rows if row.state not in _AT_REST]
    assert not open_rows, "every story has come to rest"


_AT_REST = {State.INCLUDED, State.FINAL, State.SUPERSEDED, State.RELEASED}


def _assert_tells(row: Found, landed: Landed, tried: Mapping[str, Found]) -> None:
    """A row of a mined push is right to the wei."""
    assert row.state in {State.INCLUDED, State.FINAL}, f"push {row.push} is {row.state}, and mined"
    assert row.nonce == landed.nonce == tried[landed.hash].nonce
    assert tried[landed.hash].push == row.push
    assert _hex(row.block_hash) == landed.block_hash, f"push {row.push} stands in a block that is not canonical"
    assert (row.gas_cost, row.update_fee) == (landed.gas_cost, landed.value), f"cost of push {row.push}"


async def _landed(node: Node, account: str, since_nonce: int) -> list[Landed]:
    newest = int(await node.request("eth_blockNumber"), 16)
    blocks = await node.batch("eth_getBlockByNumber", [(hex(number), True) for number in range(newest + 1)])
    sent = [
        each
        for block in blocks
        for each in block["transactions"]
        if each["from"].lower() == account.lower() and int(each["nonce"], 16) >= since_nonce
    ]
    receipts = await node.batch("eth_getTransactionReceipt", [(each["hash"],) for each in sent])
    return [
        Landed(
            hash=each["hash"],
            nonce=int(each["nonce"], 16),
            block_hash=receipt["blockHash"],
            data=each["input"],
            gas_cost=int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16),
            value=int(each["value"], 16) if receipt["status"] == "0x1" else 0,
        )
        for each, receipt in zip(sent, receipts, strict=True)
    ]


async def _nonces(node: Node, account: str) -> tuple[int, int]:
    """Transactions mined, and those and the ones that wait, whether or not there is a gap before them."""
    mined = int(await node.request("eth_getTransactionCount", account, "latest"), 16)
    pool = await node.request("txpool_content")
    waiting = [
        int(nonce)
        for part in ("pending", "queued")
        for sender, transactions in pool[part].items()
        if sender.lower() == account.lower()
        for nonce in transactions
    ]
    return mined, max([mined, *(nonce + 1 for nonce in waiting)])


async def _books(journal_url: str) -> tuple[list[Found], dict[str, Found]]:
    """All pushes, and all attempts by hash."""

    def read(connection: Connection) -> tuple[list[Found], list[Found]]:
        return list(connection.execute(select(pushes))), list(connection.execute(select(attempts)))

    address = parse_journal_url(journal_url)
    database = SqliteDatabase(address) if isinstance(address, SqliteFile) else PostgresDatabase(address)
    rows, tried = await database.run(read)
    return rows, {_hex(each.hash): each for each in tried}


def _hex(octets: bytes) -> str:
    return "0x" + bytes(octets).hex()
