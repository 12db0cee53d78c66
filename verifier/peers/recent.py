"""The names that were used last; strangers choose them, and could send us to new ones for ever."""

from typing import TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")
MOST = 1000


def remember(held: dict[Key, Value], key: Key, value: Value) -> None:
    """Put it last; of too many the first one goes. Not thread-safe."""
    held.pop(key, None)
    held[key] = value
    if len(held) > MOST:
        del held[next(iter(held))]
