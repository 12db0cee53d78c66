"""Redis commands by what they are for, and a process to which some of them seem not to get through."""

from collections.abc import Callable
from typing import Any

from instances import Process

from verifier.storage import status_cache
from verifier.storage.redis_link import CacheUnavailable


def is_fill(_identity: str, *command: Any) -> bool:
    return command[:2] == ("EVAL", status_cache._FILL)


def is_fence(_identity: str, *command: Any) -> bool:
    return command[0] == "SET" and "NX" not in command


def is_settle(_identity: str, *command: Any) -> bool:
    return command[:2] == ("EVAL", status_cache._SETTLE)


def cut_off(process: Process, chosen: Callable[..., bool] = lambda *_: True) -> None:
    """From now on Redis seems not to answer to these commands of this process."""
    ask_all, tell = process.link.ask_all, process.link.tell

    def cut(identity: str, *commands: tuple[Any, ...]) -> Any:
        if any(chosen(identity, *command) for command in commands):
            raise CacheUnavailable("cut off")
        return ask_all(identity, *commands)

    def cut_told(identity: str, *command: Any) -> None:
        if chosen(identity, *command):
            raise CacheUnavailable("cut off")
        tell(identity, *command)

    process.link.ask_all, process.link.tell = cut, cut_told  # type: ignore[method-assign]
