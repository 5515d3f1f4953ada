"""The journal in a file and the fake one keep the contract; the one on a server is tested with the integrations."""

from pathlib import Path

import pytest

from keeper.journal.address import SqliteFile, Sync
from keeper.journal.sqlite import SqliteJournal
from tests.support.journal import FakeJournal, Shelf
from tests.support.journal_contract import PATIENT_S, JournalContract, MakeJournal


@pytest.mark.parametrize("sync", Sync)
class TestSqliteJournal(JournalContract):
    @pytest.fixture
    def make(self, tmp_path: Path, sync: Sync) -> MakeJournal:
        return lambda: SqliteJournal(SqliteFile(tmp_path / "journal.db"), sync=sync, append_s=PATIENT_S)


class TestFakeJournal(JournalContract):
    @pytest.fixture
    def make(self, tmp_path: Path) -> MakeJournal:  # noqa: ARG002 - it needs no file
        shelf = Shelf()
        return lambda: FakeJournal(shelf)
