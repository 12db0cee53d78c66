"""What kind of trouble the database was, in a few words that a metric may carry."""

from collections.abc import Callable

from sqlalchemy import Engine, ExceptionContext, event

# by the first letters of the SQLSTATE, the longest first (PostgreSQL, appendix A)
KINDS = {
    "57014": "timeout",        # statement_timeout
    "25P03": "timeout",        # idle_in_transaction_session_timeout
    "25P04": "timeout",        # transaction_timeout
    "55P03": "lock_timeout",
    "40P01": "deadlock",
    "25006": "read_only",      # a standby, or a primary that was demoted
    "57P": "shutdown",
    "08": "connection",
    "23": "constraint",
    "28": "login",
    "3D": "login",
    "40": "serialization",
    "42": "schema",
    "53": "resources",         # connections, memory, disk
}  # fmt: skip
CONNECTION, OTHER = "connection", "other"
ON_ERROR = "verifier_on_error"
"""The execution option of an engine that holds whom `direct` tells of an error."""


def kind_of(error: BaseException | None) -> str:
    """One of a dozen words; without a SQLSTATE the server was not there to give one."""
    state = getattr(error, "sqlstate", None)
    if state is None:
        return CONNECTION
    return next((kind for prefix, kind in KINDS.items() if state.startswith(prefix)), OTHER)


def count_errors(engine: Engine, count: Callable[[str], None]) -> None:
    """Let `count` be called with the kind of every error of this engine, also of those that a retry mends."""

    def on_error(context: ExceptionContext) -> None:
        count(kind_of(context.original_exception))

    event.listen(engine, "handle_error", on_error)
    engine.update_execution_options(**{ON_ERROR: lambda error: count(kind_of(error))})
