"""Orders in a file, and those in memory that stand in for them; those on a server are tested with the integrations."""

from pathlib import Path

import pytest

from keeper.domain.orders import Pause
from keeper.journal.address import SqliteFile
from keeper.journal.database import SqliteDatabase
from keeper.journal.orders import JournalOrders
from keeper.journal.sqlite import SqliteJournal
from keeper.ports import Orders
from tests.support.orders import FakeOrders
from tests.support.orders_contract import MINE, NOW, OrdersContract


@pytest.fixture
async def file(tmp_path: Path) -> SqliteFile:
    file = SqliteFile(tmp_path / "journal.db")
    journal = SqliteJournal(file)
    await journal.open()
    await journal.close()
    return file


class TestSqliteOrders(OrdersContract):
    @pytest.fixture
    def orders(self, file: SqliteFile) -> Orders:
        return JournalOrders(SqliteDatabase(file))


class TestFakeOrders(OrdersContract):
    @pytest.fixture
    def orders(self) -> Orders:
        return FakeOrders()


async def test_a_pause_outlives_the_process(file: SqliteFile) -> None:
    await JournalOrders(SqliteDatabase(file)).pause(MINE, Pause("alice", NOW))
    standing = await JournalOrders(SqliteDatabase(file)).look([MINE])
    assert standing[MINE].pause == Pause("alice", NOW)
