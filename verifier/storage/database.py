"""The engine: one pool a process, every wait bounded."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import DBAPIError

Result = TypeVar("Result")

CONNECT_S = 3
STATEMENT_MS = 5_000
LOCK_MS = 2_000
"""A twin with the same idempotency key, or a neighbour on the same pack, is waited for so long."""
TRANSACTION_MS = 8_000
"""No transaction lives longer, so that a fence in the cache (see `status_cache`) can outlive every one."""


def connect(url: str, *, pool: int = 10, autocommit: bool = False) -> Engine:
    """An engine for a PostgreSQL URL, `postgresql://…` or `postgresql+psycopg://…`.

    `autocommit`: each statement is a transaction of its own. The driver prepares nothing by itself: after a
    rollback it would deallocate the statements of `direct` too.
    """
    url = url.replace("postgresql://", "postgresql+psycopg://", 1)
    options = (
        f"-c statement_timeout={STATEMENT_MS} -c lock_timeout={LOCK_MS} "
        f"-c transaction_timeout={TRANSACTION_MS} -c idle_in_transaction_session_timeout={TRANSACTION_MS} "
        "-c timezone=UTC"
    )
    return create_engine(
        url,
        pool_size=pool,
        max_overflow=0,
        pool_timeout=5,
        pool_use_lifo=True,
        **{"isolation_level": "AUTOCOMMIT", "pool_reset_on_return": None} if autocommit else {},
        connect_args={
            "options": options,
            "connect_timeout": CONNECT_S,
            "application_name": "verifier",
            "prepare_threshold": None,
        },
    )


def twice(read: Callable[[], Result]) -> Result:
    """What `read` says; asked again where the pool's connection was to a server that has died."""
    try:
        return read()
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
    return read()
