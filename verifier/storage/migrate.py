"""Bring a database to the newest schema, safely from several processes at once."""

from importlib.resources import as_file, files

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, text

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
