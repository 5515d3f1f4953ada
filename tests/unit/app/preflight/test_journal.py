"""What a check makes of a journal in a file; one on a server is tested with the integrations."""

from pathlib import Path

import pytest

from keeper.app.preflight.finding import State
from keeper.app.preflight.journal import check_journal
from keeper.journal.address import SqliteFile
from keeper.journal.sqlite import SqliteJournal


@pytest.fixture
def file(tmp_path: Path) -> SqliteFile:
    return SqliteFile(tmp_path / "journal.db")


async def test_a_journal_that_is_not_there_yet_will_be_made(file: SqliteFile) -> None:
    found = await check_journal(file)
    assert (found.state, found.detail) == (State.OK, f"{file} will be made")
    assert not file.path.exists()


async def test_a_journal_that_is_there_is_fine_and_stays_as_it_is(file: SqliteFile) -> None:
    journal = SqliteJournal(file)
    await journal.open()
    await journal.close()
    before = file.path.read_bytes()
    found = await check_journal(file)
    assert (found.state, found.detail) == (State.OK, f"{file} is there and up to date")
    assert file.path.read_bytes() == before


async def test_an_empty_file_gets_its_tables_when_the_keeper_runs(file: SqliteFile) -> None:
    file.path.touch()
    found = await check_journal(file)
    assert (found.state, found.detail) == (
        State.OK,
        f"{file} is there, its tables will be made or brought up to date",
    )


async def test_a_file_of_another_kind_fails(file: SqliteFile) -> None:
    file.path.write_bytes(b"not a database, but long enough to be taken for one" * 100)
    found = await check_journal(file)
    assert found.state is State.FAIL
    assert "is something else: move it away" in found.detail


async def test_a_folder_that_is_gone_fails(tmp_path: Path) -> None:
    found = await check_journal(SqliteFile(tmp_path / "gone" / "journal.db"))
    assert found.state is State.FAIL
    assert "may not be written" in found.detail
