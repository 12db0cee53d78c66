"""What goes over a wire to Redis and to PostgreSQL, cut into questions and answers. No sockets here.

A question is what a client waits for one answer to. A wire may be listened to from any moment at which
nothing is half said; what was half said is kept for the next bytes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

Words = tuple[bytes, ...]
STARTUP, TYPED = 4, 5
"""How long the head of a PostgreSQL message is: a length, before all but the first a letter."""


class Garbled(Exception):
    """These bytes are not of this wire."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes that belong together; `words` say what is asked; `last` when question or answer is complete."""

    data: bytes
    words: Words = ()
    last: bool = True


class Wire(Protocol):
    """One connection's two directions."""

    @property
    def between(self) -> bool:
        """Is nothing half said?"""

    def questions(self, data: bytes) -> Iterator[Piece]:
        """What these bytes of the client complete."""

    def answers(self, data: bytes) -> Iterator[Piece]:
        """What these bytes of the server complete."""

    def passed(self) -> None:
        """Something was asked while nobody listened."""


class Resp:
    """Redis, RESP2: every command is an array of strings, and every answer one value."""

    def __init__(self) -> None:
        self._asked = self._answered = b""

    @property
    def between(self) -> bool:
        return not self._asked and not self._answered

    def questions(self, data: bytes) -> Iterator[Piece]:
        self._asked += data
        while (end := _value_end(self._asked, 0)) is not None:
            whole, self._asked = self._asked[:end], self._asked[end:]
            yield Piece(whole, _strings(whole))

    def answers(self, data: bytes) -> Iterator[Piece]:
        self._answered += data
        while (end := _value_end(self._answered, 0)) is not None:
            whole, self._answered = self._answered[:end], self._answered[end:]
            yield Piece(whole)

    def passed(self) -> None:
        pass


def _value_end(data: bytes, start: int) -> int | None:
    """Where the value that begins at `start` ends; None while it is not all there."""
    line = data.find(b"\r\n", start)
    if line < 0:
        return None
    kind, after = data[start : start + 1], line + 2
    if kind in b"+-:":
        return after
    if kind not in b"$*":
        raise Garbled(data[start : start + 20])
    count = int(data[start + 1 : line])
    if kind == b"$":
        end = after + count + 2 if count >= 0 else after
        return end if end <= len(data) else None
    for _ in range(count):
        found = _value_end(data, after)
        if found is None:
            return None
        after = found
    return after


def _strings(command: bytes) -> Words:
    """The strings of an array of strings."""
    words, at = [], command.find(b"\r\n") + 2
    while at < len(command):
        line = command.find(b"\r\n", at)
        length = int(command[at + 1 : line])
        words.append(command[line + 2 : line + 2 + length])
        at = line + 2 + length + 2
    return tuple(words)


class Postgres:
    """PostgreSQL, protocol 3 without TLS. The one word of a question is its SQL.

    A question ends with Query or Sync, an answer with ReadyForQuery. Of a prepared statement the SQL is known
    when it was parsed on this connection while it was listened to.
    """

    def __init__(self) -> None:
        self._asked = self._answered = b""
        self._head = STARTUP
        self._prepared: dict[bytes, bytes] = {}

    @property
    def between(self) -> bool:
        return not self._asked and not self._answered

    def questions(self, data: bytes) -> Iterator[Piece]:
        self._asked += data
        while (end := _message_end(self._asked, self._head)) is not None:
            whole, self._asked = self._asked[:end], self._asked[end:]
            if self._head == STARTUP:
                self._head = TYPED
                yield Piece(whole)
            else:
                yield Piece(whole, self._sql(whole), last=whole[:1] in b"QS")

    def answers(self, data: bytes) -> Iterator[Piece]:
        self._answered += data
        while (end := _message_end(self._answered, TYPED)) is not None:
            whole, self._answered = self._answered[:end], self._answered[end:]
            yield Piece(whole, last=whole[:1] == b"Z")

    def passed(self) -> None:
        self._head = TYPED

    def _sql(self, message: bytes) -> Words:
        kind, body = message[:1], message[TYPED:]
        if kind == b"Q":
            return (body.rstrip(b"\0"),)
        if kind == b"P":
            name, sql = body.split(b"\0", 2)[:2]
            self._prepared[name] = sql
            return (sql,)
        if kind == b"B":
            return (self._prepared.get(body.split(b"\0", 2)[1], b""),)
        return ()


def _message_end(data: bytes, head: int) -> int | None:
    if len(data) < head:
        return None
    length = int.from_bytes(data[head - STARTUP : head], "big")
    if not STARTUP <= length < 1 << 30:
        raise Garbled(data[:20])
    end = head - STARTUP + length
    return end if end <= len(data) else None


def kind_of(words: Words) -> str:
    """What a command of the status cache is for; any other one's name in small letters."""
    name = words[0].upper()
    if name == b"GET":
        return "look"
    if name == b"SET":
        return "lease" if b"NX" in words else "fence" if words[2].startswith(b"F:") else "set"
    if name in (b"EVAL", b"EVALSHA"):
        given = words[3 + int(words[2]) :]
        if any(word.startswith(b"V:") for word in given):
            return "fill"
        return "settle" if len(given) == 1 and given[0].isdigit() else "give back"
    return name.decode().lower()
