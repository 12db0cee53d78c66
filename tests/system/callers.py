"""A small client over kept-open connections, and many of them at once."""

import base64
import http.client
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

_numbers = itertools.count(1)
IDLE_S = 5.0
"""A connection that was quiet for longer is not used again: the server may be about to close it."""
TOKEN_S = 200.0
"""A token lives for 300 s; one that is older than this is renewed before it is used."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, and when the request was sent and answered (monotonic seconds)."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str]
    sent: float
    done: float

    @property
    def code(self) -> str:
        return str(self.body["code"])


@dataclass
class Caller:
    """Somebody with a client; each thread has a connection of its own."""

    port: int
    site: str
    client_id: str
    client_secret: str
    token: str = ""
    since: float = 0.0
    _local: threading.local = field(default_factory=threading.local)

    def log_in(self) -> None:
        basic = base64.b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
        form = {"Authorization": f"Basic {basic}", "Content-Type": "application/x-www-form-urlencoded"}
        answer = self.send("POST", "/oauth/token", b"grant_type=client_credentials", form)
        assert answer.status == 200, answer
        self.token = answer.body["access_token"]
        self.since = time.monotonic()

    def send(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        """One request.

        Raises:
            OSError, http.client.HTTPException: no answer, or half of one.
        """
        connection = getattr(self._local, "connection", None)
        if connection is None or time.monotonic() - self._local.used > IDLE_S:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            self._local.connection = connection
        sent = self._local.used = time.monotonic()
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            data = response.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            raise
        return Answer(response.status, json.loads(data), dict(response.headers), sent, time.monotonic())

    def hang_up(self) -> None:
        """Let the next request have a new connection."""
        self._local.connection = None

    def authorization(self) -> dict[str, str]:
        if time.monotonic() - self.since > TOKEN_S:
            self.log_in()
        return {"Authorization": f"Bearer {self.token}"}

    def get(self, path: str) -> Answer:
        return self.send("GET", path, None, self.authorization())

    def post(self, path: str, body: dict[str, Any], key: str | None = None) -> Answer:
        headers = self.authorization() | {"Content-Type": "application/json"}
        if key is not None:
            headers["Idempotency-Key"] = key
        return self.send("POST", path, json.dumps(body).encode(), headers)

    def verify(self, pack: dict[str, str]) -> Answer:
        return self.post("/v1/verify", pack)

    def dispense(self, pack: dict[str, str], key: str | None = None) -> Answer:
        return self.post("/v1/dispense", pack, key or new_key())

    def undo(self, pack: dict[str, str], key: str | None = None) -> Answer:
        return self.post("/v1/reactivate", pack | {"not_supplied_to_public": True}, key or new_key())

    def destroy(self, pack: dict[str, str], key: str | None = None) -> Answer:
        return self.post("/v1/decommission", pack | {"reason": "destroyed"}, key or new_key())

    def insist(self, ask: Callable[[], Answer], seconds: float = 30) -> Answer:
        """Ask again while there is no answer or the service says that it cannot reach its database."""
        end = time.monotonic() + seconds
        while True:
            try:
                answer = ask()
                if answer.status != 503 or time.monotonic() > end:
                    return answer
            except (OSError, http.client.HTTPException):
                if time.monotonic() > end:
                    raise
            time.sleep(0.05)


def new_key() -> str:
    return f"key-{next(_numbers)}"


def all_at_once(works: Iterable[Callable[[], None]]) -> float:
    """Run each in a thread of its own, begun together; the seconds it took. The first error is raised."""
    works = list(works)
    start = threading.Barrier(len(works) + 1)
    errors: list[BaseException] = []

    def run(work: Callable[[], None]) -> None:
        start.wait()
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised again below
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    start.wait()
    began = time.monotonic()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return time.monotonic() - began
