"""A journal in a file as an operator reads it; the one on a server is tested with the integrations."""

from pathlib import Path

import pytest

from keeper.journal.address import PostgresServer, SqliteFile
from keeper.journal.journal import StoredJournal
from keeper.journal.sqlite import SqliteJournal
from tests.support.reading_contract import ReadingContract


class TestReadingSqlite(ReadingContract):
    @pytest.fixture
    def address(self, tmp_path: Path) -> SqliteFile | PostgresServer:
        return SqliteFile(tmp_path / "journal.db")

    def journal(self, address: SqliteFile | PostgresServer) -> StoredJournal:
        assert isinstance(address, SqliteFile)
        return SqliteJournal(address)
