"""What JOURNAL_URL may be, and what is said of one that is wrong."""

from pathlib import Path

import pytest

from keeper.domain.errors import UsageError
from keeper.journal.address import PostgresServer, SqliteFile, parse_journal_url


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///journal.db", "journal.db"),
        (" sqlite:///./journal.db ", "journal.db"),
        ("sqlite:////journal.db", "/journal.db"),
        ("sqlite:///a%20journal.db", "a journal.db"),
        ("sqlite:///~/journal.db", "~/journal.db"),
    ],
)
def test_reads_the_path_of_a_file(url: str, path: str) -> None:
    assert parse_journal_url(url) == SqliteFile(Path(path).expanduser())


@pytest.mark.parametrize(
    ("url", "label"),
    [
        ("postgresql://keeper@localhost/journal", "localhost/journal"),
        ("postgres://keeper:secret@db.example.org:5433/journal?sslmode=require", "db.example.org:5433/journal"),
        ("postgresql+asyncpg://keeper:se%2Fcret@[::1]:5433/journal", "::1:5433/journal"),
        ("postgresql:///journal", "the local server/journal"),
    ],
)
def test_calls_a_server_by_host_port_and_database(url: str, label: str) -> None:
    server = parse_journal_url(url)
    assert isinstance(server, PostgresServer)
    assert str(server) == label
    assert server.url.startswith("postgresql:")
    assert "secret" not in repr(server)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "something like sqlite:///"),
        ("journal.db", "something like sqlite:///"),
        ("mysql://keeper:secret@db/journal", "something like sqlite:///"),
        ("sqlite://journal.db", "three slashes"),
        ("sqlite:///", "three slashes"),
        ("sqlite:///journal.db?mode=ro", "three slashes"),
        ("sqlite:///:memory:", "give it a path"),
        ("sqlite:////no/such/folder/journal.db", "make it first"),
        ("sqlite:////tmp", "make it first"),
        ("postgresql://keeper:secret@db", "names no database"),
        ("postgresql://keeper:1/secret@db/journal", "%2F"),
        ("postgresql://keeper:secret@db:port/journal", "is not a URL"),
        ("postgresql://keeper:secret@[db/journal", "is not a URL"),
    ],
)
def test_says_what_is_wrong_without_showing_the_url(url: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as raised:
        parse_journal_url(url)
    assert "secret" not in str(raised.value)
