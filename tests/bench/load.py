"""The load generator: its own processes, raw sockets, keep-alive; closed loop or a fixed arrival rate."""

import multiprocessing
import selectors
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class Outcome:
    """What one run saw. `latencies` are seconds; in an open loop from the time when a request was due."""

    seconds: float = 0.0
    done: int = 0
    statuses: dict[int, int] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return self.done / self.seconds if self.seconds else 0.0

    def quantile(self, share: float) -> float:
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def request(method: str, path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """One HTTP/1.1 request as bytes."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class _Connection:
    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.due = 0.0

    def answer(self) -> int | None:
        """The status once the whole answer is there."""
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the server closed the connection")
        self.buffer += data
        head, mark, rest = self.buffer.partition(b"\r\n\r\n")
        if not mark:
            return None
        lower = head.lower()
        start = lower.index(b"content-length:") + 15
        length = int(lower[start : lower.find(b"\r\n", start) if b"\r\n" in lower[start:] else None])
        if len(rest) < length:
            return None
        self.buffer = rest[length:]
        return int(head[9:12])


def _drive(
    address: tuple[str, int],
    requests: Iterator[bytes],
    connections: int,
    seconds: float,
    *,
    rate: float | None,
    start_at: float,
) -> Outcome:
    outcome = Outcome()
    selector = selectors.DefaultSelector()
    idle = [_Connection(address) for _ in range(connections)]
    for connection in idle:
        selector.register(connection.socket, selectors.EVENT_READ, connection)
    time.sleep(max(0.0, start_at - time.monotonic()))
    begin = time.monotonic()
    end = begin + seconds
    sent, busy = 0, 0
    while True:
        now = time.monotonic()
        open_for_more = now < end
        while open_for_more and idle and (rate is None or begin + sent / rate <= now):
            connection = idle.pop()
            try:
                payload = next(requests)
            except StopIteration:
                end = now
                idle.append(connection)
                break
            connection.due = now if rate is None else begin + sent / rate
            connection.socket.sendall(payload)
            sent += 1
            busy += 1
        if not open_for_more and not busy:
            break
        wait = 0.05 if rate is None or not idle else max(0.0, begin + sent / rate - time.monotonic())
        for key, _ in selector.select(min(wait, 0.05)):
            status = key.data.answer()
            if status is not None:
                outcome.latencies.append(time.monotonic() - key.data.due)
                outcome.statuses[status] = outcome.statuses.get(status, 0) + 1
                outcome.done += 1
                busy -= 1
                idle.append(key.data)
    outcome.seconds = time.monotonic() - begin
    return outcome


def run(
    port: int,
    make: Callable[[int, int], Iterator[bytes]],
    *,
    seconds: float,
    connections: int = 16,
    processes: int = 1,
    rate: float | None = None,
) -> Outcome:
    """Load a server on loopback; `make(number, of)` gives each process its requests."""
    context = multiprocessing.get_context("fork")
    results: multiprocessing.SimpleQueue[Outcome] = context.SimpleQueue()
    start_at = time.monotonic() + 0.3

    def work(number: int) -> None:
        share = rate / processes if rate else None
        mine = make(number, processes)
        share_of = connections // processes
        results.put(_drive(("127.0.0.1", port), mine, share_of, seconds, rate=share, start_at=start_at))

    started = [context.Process(target=work, args=(number,)) for number in range(processes)]
    for process in started:
        process.start()
    total = Outcome()
    for _ in started:
        part = results.get()
        total.done += part.done
        total.seconds = max(total.seconds, part.seconds)
        total.latencies += part.latencies
        for status, count in part.statuses.items():
            total.statuses[status] = total.statuses.get(status, 0) + count
    for process in started:
        process.join()
    return total
