"""What everybody asked and was told in one test, kept for the examination at its end."""

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from http.client import HTTPException
from typing import Any

from callers import Answer, Caller, new_key
from linear import NEVER, Findings, Kind, Operation, Status, examined
from running import Pack

KNOWN = (200, 409)
AWAY = (409, 503)
"""409 without a pack is `idempotency_in_progress`: the outcome is still to be learned."""


def operation_of(kind: Kind, called: float, answer: Answer | None) -> Operation:
    """As it goes into a history; no answer, or none about the pack, leaves the outcome unknown."""
    body: Any = answer.body if answer is not None and answer.status in KNOWN else {}
    view = body.get("pack") or {}
    if answer is None or view.get("state") is None:
        return Operation(kind, called, NEVER)
    shown = Status(view["state"], view["state_since"])
    return Operation(kind, called, answer.done, None if kind is Kind.LOOK else body["accepted"], shown)


class Ledger:
    """Histories by serial. A repeated request (same client, same key) is the same operation."""

    def __init__(self) -> None:
        self.statuses: Counter[int] = Counter()
        self._looks: dict[str, list[Operation]] = defaultdict(list)
        self._changes: dict[tuple[str, str], tuple[str, Operation]] = {}
        self._lock = threading.Lock()

    def look(self, pack: Pack, called: float, answer: Answer) -> None:
        with self._lock:
            self.statuses[answer.status] += 1
            operation = operation_of(Kind.LOOK, called, answer)
            if operation.known:
                self._looks[pack["serial"]].append(operation)

    def change(self, request: tuple[str, str], pack: Pack, operation: Operation, status: int | None) -> None:
        """`request` is client and key; no `status` where no answer came."""
        with self._lock:
            if status is not None:
                self.statuses[status] += 1
            _, first = self._changes.get(request, ("", operation))
            if first.known and operation.known:
                assert (first.accepted, first.shown) == (operation.accepted, operation.shown), (
                    first,
                    operation,
                )
            elif not first.known:
                self._changes[request] = pack["serial"], replace(operation, called=first.called)
                return
            self._changes.setdefault(request, (pack["serial"], operation))

    def histories(self) -> dict[str, list[Operation]]:
        with self._lock:
            made = defaultdict(list, {serial: list(looks) for serial, looks in self._looks.items()})
            for serial, operation in self._changes.values():
                made[serial].append(operation)
            return made

    def findings(self) -> dict[str, Findings]:
        return {serial: examined(history) for serial, history in self.histories().items()}

    def check(self) -> None:
        """Nothing was accepted twice, lost or shown stale, and every answer was one that clients know."""
        findings = self.findings()
        wrong = {serial: found for serial, found in findings.items() if found.wrong}
        assert not wrong, wrong
        assert set(self.statuses) <= {*KNOWN, *AWAY}, self.statuses

    @property
    def disordered(self) -> list[str]:
        """Packs of which somebody saw a change that somebody else, looking later, did not see yet."""
        return [serial for serial, found in self.findings().items() if found.disordered]


@dataclass
class Person:
    """Somebody at an instance, whose doings are written down."""

    caller: Caller
    ledger: Ledger

    def look(self, pack: Pack, *, fresh: bool = False) -> Answer:
        """Verify; `fresh` by a new connection, so perhaps at another worker.

        Raises:
            OSError, HTTPException: no answer.
        """
        if fresh:
            self.caller.hang_up()
        called = time.monotonic()
        answer = self.caller.verify(pack)
        self.ledger.look(pack, called, answer)
        return answer

    def state(self, pack: Pack) -> str:
        return str(self.look(pack, fresh=True).body["pack"]["state"])

    def dispense(self, pack: Pack, key: str | None = None) -> Answer:
        return self._change(Kind.DISPENSE, self.caller.dispense, pack, key)

    def undo(self, pack: Pack, key: str | None = None) -> Answer:
        return self._change(Kind.UNDO, self.caller.undo, pack, key)

    def destroy(self, pack: Pack, key: str | None = None) -> Answer:
        return self._change(Kind.DESTROY, self.caller.destroy, pack, key)

    def until_told(self, change: Callable[..., Answer], pack: Pack, seconds: float = 30) -> Answer:
        """Ask with one key until there is an answer about the pack."""
        key, end = new_key(), time.monotonic() + seconds
        while True:
            try:
                answer = change(pack, key)
                if "pack" in answer.body or time.monotonic() > end:
                    return answer
            except (OSError, HTTPException):
                if time.monotonic() > end:
                    raise
            time.sleep(0.05)

    def _change(self, kind: Kind, ask: Callable[..., Answer], pack: Pack, key: str | None) -> Answer:
        key = key or new_key()
        request, called = (self.caller.client_id, key), time.monotonic()
        try:
            answer = ask(pack, key)
        except (OSError, HTTPException):
            self.ledger.change(request, pack, operation_of(kind, called, None), None)
            raise
        self.ledger.change(request, pack, operation_of(kind, called, answer), answer.status)
        return answer
