"""Bring a database to the newest schema, safely from several processes at once."""

from dataclasses import dataclass
from importlib.resources import as_file, files

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, text

_LOCK = 0x5645524946  # one migration at a time; taken before any change of a pack can run


def migrate(engine: Engine) -> None:
    """Schema to head."""
    with as_file(files("verifier.storage") / "migrations") as folder, engine.connect() as connection:
        connection.execute(text("SET transaction_timeout = 0"))
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("SET lock_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
        connection.commit()
        try:
            config = Config()
            config.set_main_option("script_location", str(folder))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
        finally:
            connection.invalidate()  # ends the session, and with it the lock and the settings


@dataclass(frozen=True, slots=True)
class Schema:
    """The revision in a database, None in an empty one; the newest that we know; do we know the former?"""

    found: str | None
    newest: str
    known: bool


def schema_of(connection: Connection) -> Schema:
    """Which schema this database has; nothing is changed."""
    found = MigrationContext.configure(connection).get_current_revision()
    with as_file(files("verifier.storage") / "migrations") as folder:
        scripts = ScriptDirectory(str(folder))
        newest = scripts.get_current_head()
        try:
            known = found is None or scripts.get_revision(found) is not None
        except CommandError:
            known = False
    return Schema(found, str(newest), known)
