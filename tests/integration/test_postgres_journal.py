"""The journal on a real PostgreSQL server."""

import pytest

from keeper.journal.address import PostgresServer, SqliteFile, parse_journal_url
from keeper.journal.journal import StoredJournal
from keeper.journal.postgres import PostgresJournal
from tests.support.journal_contract import JournalContract, MakeJournal
from tests.support.postgres import PostgresProcess
from tests.support.reading_contract import ReadingContract


@pytest.fixture
async def server(postgres: PostgresProcess) -> PostgresServer:
    """An empty database."""
    server = parse_journal_url(await postgres.new_database())
    assert isinstance(server, PostgresServer)
    return server


class TestPostgresJournal(JournalContract):
    @pytest.fixture
    def make(self, server: PostgresServer) -> MakeJournal:
        return lambda: PostgresJournal(server)


class TestReadingPostgres(ReadingContract):
    @pytest.fixture
    def address(self, server: PostgresServer) -> SqliteFile | PostgresServer:
        return server

    def journal(self, address: SqliteFile | PostgresServer) -> StoredJournal:
        assert isinstance(address, PostgresServer)
        return PostgresJournal(address)
