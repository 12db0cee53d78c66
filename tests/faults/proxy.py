"""A proxy of our own that goes wrong as it is told: between a process of the service and one of its servers.

It runs in a thread of its own; everything public may be called from any other one. Bytes are passed on
as they come while nothing is to go wrong; else they are cut into questions and answers (`wires`), so that a
single one of them can be lost, held up, repeated or answered by something else.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from rules import ANSWERED, PATIENCE_S, Rule, until
from wires import Garbled, Piece, Resp, Wire, Words

Address = Path | tuple[str, int]


class Loop:
    """The thread in which proxies run."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="proxies", daemon=True)
        self._thread.start()

    def run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(PATIENCE_S)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(PATIENCE_S)
        self.loop.close()


class Proxy:
    """Listens at `address` (a port of 0 becomes a free one) and passes on to `target`.

    `attentive`: read along from the first byte of each connection, as rules about prepared statements need.
    """

    def __init__(
        self, loop: Loop, address: Address, target: Path, wire: type[Wire] = Resp, *, attentive: bool = False
    ) -> None:
        self.target = target
        self.wire = wire
        self.attentive = attentive
        self.rules: list[Rule] = []
        self.silent = self.refusing = False
        self.delay_s = 0.0
        self.links: set[Link] = set()
        self._loop = loop
        self.address = loop.run(self._listen(address))

    async def _listen(self, address: Address) -> Address:
        loop = asyncio.get_running_loop()
        if isinstance(address, Path):
            address.unlink(missing_ok=True)
            self._server: Any = await loop.create_unix_server(lambda: Link(self), str(address))
            return address
        self._server = await loop.create_server(lambda: Link(self), *address)
        return self._server.sockets[0].getsockname()

    @property
    def plain(self) -> bool:
        return not (self.rules or self.silent or self.delay_s or self.attentive)

    def rule(self, what: str, match: Callable[[Words], bool] = bool, **more: Any) -> Rule:
        """From now on; see `Rule`."""
        made = Rule(match, what, **more)
        self.rules.append(made)
        return made

    def cut(self, *, refuse: bool = True) -> None:
        """End every connection now, and with `refuse` every new one at once."""
        self.refusing = refuse
        self._everywhere(Link.end)

    def half_close(self) -> None:
        """Tell every client that nothing more comes, and go on to listen to it."""
        self._everywhere(Link.hush)

    def swallow(self) -> None:
        """From now on nothing comes through, and nobody is told."""
        self.silent = True

    def delay(self, seconds: float) -> None:
        """Every answer comes so much later."""
        self.delay_s = seconds

    def mend(self) -> None:
        """Nothing goes wrong any more; what was held or swallowed arrives now."""
        self.silent = self.refusing = False
        self.delay_s = 0.0
        for rule in self.rules:
            rule.release()
        self.rules = []

    def retarget(self, target: Path) -> None:
        """Another server has this address now."""
        self.target = target
        self.cut(refuse=False)

    def _everywhere(self, work: Callable[["Link"], None]) -> None:
        async def do() -> None:
            for link in list(self.links):
                work(link)

        self._loop.run(do())

    def close(self) -> None:
        async def do() -> None:
            self._server.close()

        self.mend()
        self.cut()
        self._loop.run(do())


class Link(asyncio.Protocol):
    """One connection of a client, and ours to the server for it."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._wire = proxy.wire()
        self._client: Any = None
        self._server: Any = None
        self._forward: asyncio.Queue[bytes] = asyncio.Queue()
        self._back: asyncio.Queue[bytes] = asyncio.Queue()
        self._asked = self._answered = True  # are the queues worked off?
        self._listening = proxy.attentive
        self._met: Rule | None = None
        self._pending: deque[Rule | None] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._begun = False  # is the first part of an answer through?
        self._hung_up = False

    # From the client.

    def connection_made(self, transport: Any) -> None:
        self._client = transport
        if self._proxy.refusing:
            transport.abort()
            return
        self._proxy.links.add(self)
        self._work(self._reach_server)

    @property
    def _idle(self) -> bool:
        """Nothing is to go wrong, nothing waits, nothing is half said."""
        waiting = self._pending or not self._asked or not self._answered
        return self._proxy.plain and not waiting and self._wire.between

    def data_received(self, data: bytes) -> None:
        if self._server is not None and self._idle:
            self._listening = False
            self._wire.passed()
            self._server.write(data)
            return
        self._asked = False
        self._forward.put_nowait(data)

    def connection_lost(self, _error: Exception | None) -> None:
        self._hung_up = True
        if self._asked:  # else what it has sent is still on its way
            self.end()

    async def _reach_server(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, answering = await loop.create_unix_connection(lambda: _Answers(self), str(self._proxy.target))
        except OSError:
            self.end()
            return
        self._server = answering.transport
        self._work(self._pass_answers)
        await self._pass_questions()

    async def _pass_questions(self) -> None:
        while True:
            data = await self._forward.get()
            await until(lambda: not self._proxy.silent)
            self._listening = self._listening or bool(self._proxy.rules)
            if not self._listening:
                self._wire.passed()
                self._server.write(data)
            else:
                for piece in self._wire.questions(data):
                    await self._ask(piece)
            self._asked = self._forward.empty()
            if self._hung_up and self._asked:
                self.end()

    async def _ask(self, piece: Piece) -> None:
        rule = next((rule for rule in self._proxy.rules if rule.takes(piece.words)), None)
        what = rule.what if rule else ""
        if what == "hold" and rule is not None:
            await rule.released()
        elif what == "drop":
            return
        elif what == "cut":
            self.end()
            raise asyncio.CancelledError
        elif what == "repeat" and rule is not None:
            asyncio.ensure_future(self._repeat(rule.seconds, piece.data))  # noqa: RUF006 - outlives this link
        if rule is not None and what in ANSWERED:
            self._met = rule
        if piece.last:
            self._pending.append(self._met)
            self._met = None
        self._server.write(piece.data)

    async def _repeat(self, seconds: float, data: bytes) -> None:
        await asyncio.sleep(seconds)
        with suppress(OSError):
            reader, writer = await asyncio.open_unix_connection(str(self._proxy.target))
            writer.write(data)
            await reader.read(1)
            writer.close()

    # From the server.

    def answered(self, data: bytes) -> None:
        if self._idle:
            self._client.write(data)
            return
        self._answered = False
        self._back.put_nowait(data)

    async def _pass_answers(self) -> None:
        while True:
            data = await self._back.get()
            if self._proxy.delay_s:
                await asyncio.sleep(self._proxy.delay_s)
            await until(lambda: not self._proxy.silent)
            if not self._pending and self._wire.between:
                self._client.write(data)
            else:
                for piece in self._wire.answers(data):
                    await self._answer(piece)
            self._answered = self._back.empty()

    async def _answer(self, piece: Piece) -> None:
        rule = self._pending[0] if self._pending else None
        if piece.last and self._pending:
            self._pending.popleft()
        data: bytes | None = piece.data
        begun, self._begun = self._begun, not piece.last
        if rule is not None:
            if rule.what == "late" and not begun:
                await asyncio.sleep(rule.seconds)
            elif rule.what == "instead" and rule.instead is not None:
                data = rule.instead(piece.data)
            elif rule.what in ("lose", "cut after", "half"):
                data = piece.data[: len(piece.data) // 2] if rule.what == "half" else None
        if data:
            self._client.write(data)
        if rule is not None and rule.what in ("cut after", "half") and piece.last:
            self._client.close()
            raise asyncio.CancelledError

    # The end.

    def hush(self) -> None:
        with suppress(OSError, NotImplementedError):
            self._client.write_eof()

    def end(self) -> None:
        """On both sides."""
        self._proxy.links.discard(self)
        for side in (self._client, self._server):
            if side is not None:
                side.close()  # what was written still arrives
        for task in self._tasks:
            task.cancel()

    def _work(self, work: Callable[[], Awaitable[None]]) -> None:
        task = asyncio.ensure_future(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except (Garbled, ValueError, OSError):
            self.end()


class _Answers(asyncio.Protocol):
    """The server's side of a link."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._link.answered(data)

    def connection_lost(self, _error: Exception | None) -> None:
        self._link.end()
