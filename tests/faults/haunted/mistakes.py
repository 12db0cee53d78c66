"""Services with a mistake, to see that a check finds it."""

import random
from typing import Any

from verifier.domain.lifecycle import OK, Action, Decision
from verifier.domain.pack import State
from verifier.services import packs
from verifier.storage.control import Control
from verifier.storage.redis_link import RedisLink
from verifier.storage.status_cache import StatusCache
from verifier.storage.store import Transaction


def nothing(*_: Any) -> None:
    pass


def forgets_to_settle() -> None:
    """The usual cache-aside without its second half."""
    StatusCache.settle = nothing  # type: ignore[method-assign]


def forgets_the_fence() -> None:
    StatusCache.fence = nothing  # type: ignore[method-assign]
    forgets_to_settle()


def believes_every_redis() -> None:
    """Whichever server answers is taken for the admitted one."""
    ask: Any = RedisLink.ask
    RedisLink.ask = lambda self, _identity, *command: ask(self, self.probe(), *command)  # type: ignore[method-assign]


def accepts_twice() -> None:
    """A dispense is decided on without a look at the state, now and then."""
    decide: Any = packs.decide

    def careless(profile: Any, attempt: Any, found: Any) -> Any:
        decision = decide(profile, attempt, found)
        again = attempt.action is Action.DISPENSE and decision.code.startswith("already_d")
        if again and random.random() < 0.5:  # noqa: S311
            return Decision(OK, State.DISPENSED)
        return decision

    packs.decide = careless


def fills_without_a_lease() -> None:
    """Whoever missed writes what it read, whenever that was."""
    ask: Any = RedisLink.ask

    def careless(self: Any, identity: Any, *command: Any) -> Any:
        value = next((word for word in command if isinstance(word, bytes) and word.startswith(b"V:")), None)
        if value is not None:
            command = ("SET", command[3], value)
        return ask(self, identity, *command)

    RedisLink.ask = careless  # type: ignore[method-assign]


def permission_never_runs_out() -> None:
    Control.current = lambda self: self._snapshot  # type: ignore[method-assign]


def does_not_wait_for_others() -> None:
    """A change that Redis did not confirm is acknowledged as soon as the switch is off."""
    Control.until_off_counts = lambda *_: 0.0  # type: ignore[method-assign]


def replays_forget_the_cache() -> None:
    acknowledge: Any = Transaction.acknowledge

    def careless(self: Any) -> None:
        self._shown.clear()
        acknowledge(self)

    Transaction.acknowledge = careless  # type: ignore[method-assign]
