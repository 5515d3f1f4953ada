"""Brings a journal's tables up to date."""

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from keeper.domain.errors import JournalError

VERSION_TABLE = "keeper_journal_version"
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtext('keeper journal'))")


def upgrade(connection: Connection) -> None:
    """Take the missing steps, in the connection's transaction; raises JournalError for one of a newer version."""
    if connection.dialect.name == "postgresql":
        connection.execute(_ONE_AT_A_TIME)
    config = _config()
    if is_current(connection):
        return
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def is_current(connection: Connection) -> bool:
    """Whether the tables are there and up to date; raises JournalError for those of a newer version."""
    script = ScriptDirectory.from_config(_config())
    at = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()
    if at is not None and at not in {step.revision for step in script.walk_revisions()}:
        raise JournalError(f"the journal was written by a newer keeper (its version is {at}): use that one")
    return at == script.get_current_head()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "keeper.journal:migrations")
    config.set_main_option("path_separator", "os")
    return config
