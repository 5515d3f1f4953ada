"""The journal on a real PostgreSQL server."""

import pytest

from keeper.journal.address import PostgresServer, parse_journal_url
from keeper.journal.postgres import PostgresJournal
from tests.support.journal_contract import JournalContract, MakeJournal
from tests.support.postgres import PostgresProcess


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
