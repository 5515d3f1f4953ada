"""A journal on a PostgreSQL server. A record is one prepared statement: one round trip, one transaction."""

import asyncpg
from asyncpg.prepared_stmt import PreparedStatement

from keeper.journal.address import PostgresServer
from keeper.journal.changes import AttemptRow, Changes, FateRow, FeedCostRow
from keeper.journal.database import PostgresDatabase, connect
from keeper.journal.failures import translated
from keeper.journal.journal import APPEND_S, StoredJournal

_RECORD = """
WITH term AS (
    SELECT epoch FROM keeper_terms JOIN keeper_accounts USING (chain_id, address)
    WHERE keeper_accounts.id = $1
    FOR SHARE OF keeper_terms
), ours AS (
    SELECT 1 WHERE $46::int8 IS NULL OR coalesce((SELECT epoch FROM term), 0) <= $46
), kept AS (
    INSERT INTO keeper_pushes (
        account_id, push, nonce, state, outcome, retry_count, problem, decided_at, mined_at, ended_at, tx_hash,
        block_number, block_hash, gas_used, gas_price, gas_cost, l1_fee, update_fee, metadata
    )
    SELECT $1::int4, $2::int8, $3::int8, $4::text, $5::text, $6::int4, $7::text, $8::float8, $9::float8, $10::float8,
        $11::bytea, $12::int8, $13::bytea, $14::int8,
        $15::text::numeric, $16::text::numeric, $17::text::numeric, $18::text::numeric, $19::json
    FROM ours
    ON CONFLICT (account_id, push) DO UPDATE SET
        nonce = excluded.nonce, state = excluded.state, outcome = excluded.outcome,
        retry_count = excluded.retry_count, problem = excluded.problem,
        mined_at = CASE WHEN excluded.mined_at IS NOT NULL
            THEN coalesce(keeper_pushes.mined_at, excluded.mined_at) END,
        ended_at = coalesce(keeper_pushes.ended_at, excluded.ended_at),
        tx_hash = excluded.tx_hash, block_number = excluded.block_number, block_hash = excluded.block_hash,
        gas_used = excluded.gas_used, gas_price = excluded.gas_price, gas_cost = excluded.gas_cost,
        l1_fee = excluded.l1_fee, update_fee = excluded.update_fee, metadata = excluded.metadata
), tried AS (
    INSERT INTO keeper_attempts (
        account_id, push, seq, nonce, hash, fate, signed_at, sent_at, since_block, fee_cap, tip, legacy, gas_limit,
        value, cancels, plan, raw
    )
    SELECT $1, $2, (SELECT coalesce(max(seq), 0) FROM keeper_attempts WHERE account_id = $1 AND push = $2) + place, $3,
        hash, fate, signed_at, sent_at, since_block, fee_cap::numeric, tip::numeric, legacy, gas_limit, value::numeric,
        cancels, plan::json, raw
    FROM ours, unnest(
        $20::bytea[], $21::text[], $22::float8[], $23::float8[], $24::int8[], $25::text[], $26::text[], $27::bool[],
        $28::int8[], $29::text[], $30::bool[], $31::text[], $32::bytea[]
    ) WITH ORDINALITY AS tried(
        hash, fate, signed_at, sent_at, since_block, fee_cap, tip, legacy, gas_limit, value, cancels, plan, raw, place
    )
    ON CONFLICT (account_id, hash) DO UPDATE SET
        push = excluded.push, plan = excluded.plan,
        seq = CASE WHEN keeper_attempts.push = excluded.push THEN keeper_attempts.seq ELSE excluded.seq END,
        fate = excluded.fate, since_block = excluded.since_block, raw = excluded.raw,
        sent_at = coalesce(keeper_attempts.sent_at, excluded.sent_at)
), fared AS (
    UPDATE keeper_attempts AS tried
    SET fate = fared.fate, sent_at = coalesce(tried.sent_at, fared.sent_at), since_block = fared.since_block
    FROM ours, unnest($33::bytea[], $34::text[], $35::float8[], $36::int8[]) AS fared(hash, fate, sent_at, since_block)
    WHERE tried.account_id = $1 AND tried.hash = fared.hash
), freed AS (
    DELETE FROM keeper_feed_costs WHERE account_id = $1 AND push = $2 AND $37::bool AND feed <> ALL ($38::bytea[])
        AND EXISTS (SELECT FROM ours)
), bore AS (
    INSERT INTO keeper_feed_costs (account_id, push, feed, gas_cost, update_fee)
    SELECT $1, $2, feed, gas_cost::numeric, update_fee::numeric
    FROM ours, unnest($38::bytea[], $39::text[], $40::text[]) AS bore(feed, gas_cost, update_fee)
    ON CONFLICT (account_id, push, feed) DO UPDATE SET
        gas_cost = excluded.gas_cost, update_fee = excluded.update_fee
), noted AS (
    INSERT INTO keeper_notes (account_id, push, seq, at, kind, tx_hash, endpoint, detail)
    SELECT $1, $2, (SELECT coalesce(max(seq), 0) + 1 FROM keeper_notes WHERE account_id = $1 AND push = $2),
        $41::float8, $42::text, $43::bytea, $44::text, $45::text
    FROM ours
    WHERE NOT EXISTS (
        SELECT 1 FROM keeper_notes
        WHERE account_id = $1 AND push = $2 AND at = $41 AND kind = $42 AND tx_hash = $43 AND endpoint = $44
            AND detail = $45
    )
)
SELECT coalesce((SELECT epoch FROM term), 0)
"""
"""Returns the account's term, which it locks: whoever begins another one waits, and then finds this record."""
_LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
)


class PostgresJournal(StoredJournal):
    """See Journal. Connects again by itself when its connection is lost; a record that met that is tried once more."""

    def __init__(self, server: PostgresServer, *, append_s: float = APPEND_S) -> None:
        super().__init__(PostgresDatabase(server), append_s=append_s)
        self._server = server
        self._connection: asyncpg.Connection | None = None

    async def _connect(self) -> None:
        self._drop()
        with translated(self._server):
            await self._prepared()

    async def _append(self, account_id: int, rows: Changes, epoch: int | None) -> int:
        arguments = [*_arguments(account_id, rows), epoch]
        with translated(self._server):
            try:
                return await self._execute(arguments)
            except _LOST:
                return await self._execute(arguments)

    async def _execute(self, arguments: list[object]) -> int:
        """Execute the statement; a connection on which that fails, or is cut short, is not used again."""
        try:
            statement = await self._prepared()
            return int(await statement.fetchval(*arguments))
        except BaseException:
            self._drop()
            raise

    async def _prepared(self) -> PreparedStatement:
        """The statement, on a new connection if need be."""
        if self._connection is None or self._connection.is_closed():
            self._connection = await connect(self._server)
            self._statement = await self._connection.prepare(_RECORD)
        return self._statement

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def close(self) -> None:
        """See Journal."""
        self._drop()


def _arguments(account_id: int, rows: Changes) -> list[object]:
    """What the statement's numbers stand for; the rows of a list column by column."""
    costs = rows.feed_costs
    return [
        account_id,
        *rows.push,
        *_columns(rows.attempts, len(AttemptRow._fields)),
        *_columns(rows.fates, len(FateRow._fields)),
        costs is not None,
        *_columns(costs or [], len(FeedCostRow._fields)),
        *rows.note,
    ]


def _columns(rows: list[AttemptRow] | list[FateRow] | list[FeedCostRow], count: int) -> list[list[object]]:
    return [[row[column] for row in rows] for column in range(count)]
