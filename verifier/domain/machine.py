"""Any state machine as a table of rows. Knows nothing of packs."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

StateT = TypeVar("StateT")
ActionT = TypeVar("ActionT")
ContextT = TypeVar("ContextT")

Guard = Callable[[ContextT], str | None]
"""A named condition: None lets pass, else the code of the refusal."""


@dataclass(frozen=True, slots=True)
class Row(Generic[StateT, ActionT, ContextT]):
    """From this state this action leads to that state, only if every guard lets pass."""

    source: StateT
    action: ActionT
    target: StateT
    guards: tuple[Guard[ContextT], ...]
    basis: str


@dataclass(frozen=True, slots=True)
class Accepted(Generic[StateT]):
    """The action is allowed and leads to ``target``."""

    target: StateT


@dataclass(frozen=True, slots=True)
class Refused:
    """A guard refuses with a code; None when the table has no row for this state and action."""

    code: str | None


class Table(Generic[StateT, ActionT, ContextT]):
    """Rows by (state, action); two rows for one pair are an error at import."""

    def __init__(self, *rows: Row[StateT, ActionT, ContextT]) -> None:
        self._rows: dict[tuple[StateT, ActionT], Row[StateT, ActionT, ContextT]] = {}
        for row in rows:
            if (row.source, row.action) in self._rows:
                raise ValueError(f"two rows for {row.source!r} and {row.action!r}")
            self._rows[row.source, row.action] = row

    def __iter__(self) -> Iterator[Row[StateT, ActionT, ContextT]]:
        return iter(self._rows.values())

    def __contains__(self, pair: tuple[StateT, ActionT]) -> bool:
        """Whether this state knows this action, whatever its guards say."""
        return pair in self._rows

    def step(self, state: StateT, action: ActionT, context: ContextT) -> Accepted[StateT] | Refused:
        """What this action does in this state; the guards are asked in the row's order."""
        row = self._rows.get((state, action))
        if row is None:
            return Refused(None)
        code = first_refusal(row.guards, context)
        return Accepted(row.target) if code is None else Refused(code)


def first_refusal(guards: Iterable[Guard[ContextT]], context: ContextT) -> str | None:
    """The code of the first guard that refuses, or None."""
    for guard in guards:
        code = guard(context)
        if code is not None:
            return code
    return None
