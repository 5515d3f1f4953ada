"""Where the journal is: how JOURNAL_URL is read, and what of it is never shown."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TypeAlias
from urllib.parse import parse_qs, urlsplit

from pydantic import SecretStr

from keeper.app.problems import Wrong
from keeper.app.values import one
from keeper.domain.errors import UsageError
from keeper.journal.address import PostgresServer, SqliteFile, parse_journal_url

JournalAddress: TypeAlias = SqliteFile | PostgresServer

DEFAULT_JOURNAL_URL = "sqlite:///keeper-journal.db"


def journal_address(value: object) -> JournalAddress:
    """A file or a server."""
    try:
        return parse_journal_url(one(value))
    except UsageError as exc:
        raise Wrong(str(exc)) from exc


def with_password(address: JournalAddress, password: SecretStr | None) -> JournalAddress:
    """The address with the password that a file holds, if there is one; a file of SQLite has no use for it."""
    if password is None or isinstance(address, SqliteFile):
        return address
    return replace(address, password=password.get_secret_value())


def journal_secrets(url: str) -> Iterator[str]:
    """The password in a URL, and the URL that has one."""
    parts = urlsplit(url)
    passwords = [parts.password or "", *parse_qs(parts.query).get("password", [])]
    if any(passwords):
        yield from (url, *filter(None, passwords))
