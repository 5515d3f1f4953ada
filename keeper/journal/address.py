"""Where a journal is: what JOURNAL_URL means."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from keeper.domain.errors import UsageError

_EXAMPLES = "sqlite:///keeper-journal.db, sqlite:////var/lib/keeper/journal.db or postgresql://user:password@host/name"
_POSTGRES = frozenset({"postgresql", "postgres"})


class Sync(StrEnum):
    """What a record waits for, in a journal in a file."""

    NORMAL = "normal"
    """For the operating system, which writes to the disk in its own time."""
    FULL = "full"
    """For the disk."""


@dataclass(frozen=True, slots=True)
class SqliteFile:
    """A journal in a file of its own."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A journal in a PostgreSQL database."""

    url: str = field(repr=False)
    """May hold a password: never shown."""
    label: str
    """Host, port and database."""
    password: str | None = field(default=None, repr=False)
    """Where it is not in the URL; this one wins."""

    def __str__(self) -> str:
        return self.label


def parse_journal_url(text: str) -> SqliteFile | PostgresServer:
    """Read a journal's URL, as SQLAlchemy spells them; raises UsageError without showing the URL."""
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError as exc:
        raise UsageError(f"is not a URL: something like {_EXAMPLES} is wanted") from exc
    if parts.scheme == "sqlite":
        return _sqlite_file(parts)
    if parts.scheme.partition("+")[0] in _POSTGRES:
        return _postgres_server(parts, port)
    raise UsageError(f"is no journal's URL: something like {_EXAMPLES} is wanted")


def _sqlite_file(parts: SplitResult) -> SqliteFile:
    path = unquote(parts.path).removeprefix("/")
    if parts.netloc or parts.query or parts.fragment or not path:
        raise UsageError(
            "names no file: three slashes and a path, as in sqlite:///keeper-journal.db,"
            " or four before one that starts at the root"
        )
    if path == ":memory:":
        raise UsageError("names no file, and a journal that ends with the process is none: give it a path")
    file = Path(path).expanduser()
    if file.is_dir() or not file.parent.is_dir():
        raise UsageError(f"names {file}, which is a folder or lies in one that does not exist: make it first")
    return SqliteFile(file)


def _postgres_server(parts: SplitResult, port: int | None) -> PostgresServer:
    database = unquote(parts.path).removeprefix("/")
    if not database or {"@", "/"} & set(database):
        raise UsageError(
            "names no database: put its name behind the host, as in postgresql://user:password@host/name,"
            " with @, / and : in a password as %40, %2F and %3A"
        )
    host = parts.hostname or "the local server"
    url = parts._replace(scheme="postgresql").geturl()
    return PostgresServer(url, f"{host}{'' if port is None else f':{port}'}/{database}")
