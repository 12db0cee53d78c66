"""A database that neither answers nor fails: locks that are held, server processes that are frozen."""

import os
import selectors
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.exc import OperationalError
from werkzeug.test import TestResponse
from world import Clock, World

from verifier.app import build
from verifier.settings import Settings
from verifier.storage import database, deadline
from verifier.storage.deadline import Deadline

PATIENCE_S = 25
"""Beyond every bound that is promised; only what hangs for ever is later."""


class Line:
    """A Unix socket between the service and PostgreSQL that can be made to swallow everything."""

    def __init__(self, folder: Path, server: str) -> None:
        self.dead = threading.Event()
        self._server = f"{server}/.s.PGSQL.5432"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / ".s.PGSQL.5432"))
        self._listener.listen()
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(self._server)
                self._open += [near, far]
                threading.Thread(target=self._carry, args=(near, far), daemon=True).start()

    def _carry(self, near: socket.socket, far: socket.socket) -> None:
        selector = selectors.DefaultSelector()
        selector.register(near, selectors.EVENT_READ, far)
        selector.register(far, selectors.EVENT_READ, near)
        with suppress(OSError), selector:
            while True:
                for key, _ in selector.select():
                    said = key.fileobj.recv(65536)  # type: ignore[union-attr]
                    if not said:
                        near.close()
                        far.close()
                        return
                    if not self.dead.is_set():
                        key.data.sendall(said)

    def close(self) -> None:
        for each in (self._listener, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


@contextmanager
def serving(url: str, home: Path) -> Iterator[World]:
    """The service without its cache: every look-up goes to the database."""
    settings = Settings(
        home=home, database_url=url, cache_mode="off", issuer="http://localhost", open_routes=True
    )
    clock = Clock()
    service = build(settings, clock=clock, threads=2)
    try:
        yield World(service, clock)
    finally:
        service.close()


@pytest.fixture
def here(new_database: Callable[[], str], tmp_path: Path) -> Iterator[World]:
    with serving(new_database(), tmp_path) as world:
        yield world


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limits of a day, in which nobody waits for long; the order between them is as it was."""
    monkeypatch.setattr(deadline, "HANGING_S", 2.5)
    monkeypatch.setattr(database, "LOCK_MS", 200)
    monkeypatch.setattr(database, "CONNECT_S", 2)  # the driver takes nothing less


def in_time(ask: Callable[[], Any]) -> Any:
    """The answer; an error when none comes at all."""
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(ask()), daemon=True)
    thread.start()
    thread.join(PATIENCE_S)
    assert answers, "no answer, ever"
    return answers[0]


def is_503(answer: TestResponse) -> bool:
    assert answer.status_code == 503, answer.text
    assert answer.json["code"] == "database_unavailable"
    return int(answer.headers["Retry-After"]) > 0


@pytest.mark.usefixtures("impatient")
def test_a_lock_that_somebody_holds_ends_in_503_and_the_repeat_succeeds(
    new_database: Callable[[], str], tmp_path: Path
):
    with serving(new_database(), tmp_path) as world:
        pharmacy, pack = world.corner_pharmacy, world.pack()
        engine: Engine = world.service.engine
        with engine.connect() as holder:
            row = {"gtin": int(pack["gtin"]), "serial": pack["serial"]}
            holder.execute(
                text("SELECT 1 FROM packs WHERE gtin = :gtin AND serial = :serial FOR UPDATE"), row
            )
            assert is_503(in_time(lambda: pharmacy.post("/v1/dispense", pack, key="mine")))
            assert pharmacy.verify(pack)["code"] == "ok", "a look-up waits for no lock"
        again = pharmacy.post("/v1/dispense", pack, key="mine")
        assert (again.status_code, again.json["code"]) == (200, "ok")


@pytest.mark.usefixtures("impatient")
def test_a_change_whose_server_process_is_frozen_is_made_once_on_another(here: World):
    pharmacy, pack = here.corner_pharmacy, here.pack()
    assert pharmacy.token
    with here.service.engine.connect() as connection:  # the pool hands it out again next
        pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    os.kill(pid, signal.SIGSTOP)
    try:
        answer = in_time(lambda: pharmacy.post("/v1/dispense", pack, key="mine"))
        assert (answer.status_code, answer.json["code"]) == (200, "ok")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert pharmacy.verify(pack)["code"] == "already_done_here"
    versions = [event["version"] for event in history(here, pack) if event["operation"] == "dispense"]
    assert versions == [1]


def history(world: World, pack: dict[str, Any]) -> list[dict[str, Any]]:
    named = {"gtin": pack["gtin"], "serial": pack["serial"]}
    return world.regulator.get("/v1/packs/events", **named).json["events"]


@pytest.mark.usefixtures("impatient")
def test_a_database_that_swallows_everything_ends_in_503_and_the_service_comes_back_with_it(
    new_database: Callable[[], str], tmp_path: Path
):
    url = make_url(new_database())
    with tempfile.TemporaryDirectory(prefix="line-", dir="/tmp") as folder:
        line = Line(Path(folder), str(url.query["host"]))
        through = url.update_query_dict({"host": folder}).render_as_string(hide_password=False)
        try:
            with serving(through, tmp_path) as world:
                pharmacy, pack = world.corner_pharmacy, world.pack()
                assert pharmacy.verify(pack)["code"] == "ok"
                line.dead.set()
                assert is_503(in_time(lambda: pharmacy.post("/v1/verify", pack, key=None)))
                assert is_503(in_time(lambda: pharmacy.post("/v1/dispense", pack, key="mine")))
                line.dead.clear()
                assert pharmacy.post("/v1/dispense", pack, key="mine").json["code"] == "ok"
        finally:
            line.close()


def test_only_connections_that_are_in_use_for_too_long_are_cut(new_database: Callable[[], str]):
    seconds = [0.0]
    engine = create_engine(make_url(new_database()), pool_size=2)
    watch = Deadline(engine, clock=lambda: seconds[0])
    watch.stop()  # looked after by hand
    try:
        with engine.connect() as old:
            old.execute(text("SELECT 1"))
            seconds[0] = deadline.HANGING_S - 1
            with engine.connect() as young:
                young.execute(text("SELECT 1"))
                assert watch.cut() == 0
                seconds[0] = deadline.HANGING_S + 1
                assert watch.cut() == 1
                assert young.execute(text("SELECT 2")).scalar_one() == 2
                with pytest.raises(OperationalError) as lost:
                    old.execute(text("SELECT 1"))
                assert lost.value.connection_invalidated
        seconds[0] += 3600
        assert watch.cut() == 0, "back in the pool they may rest for as long as they like"
        with engine.connect() as connection:
            assert connection.execute(text("SELECT 3")).scalar_one() == 3
    finally:
        engine.dispose()


def test_connections_that_come_and_go_do_not_disturb_the_watch():
    watch = Deadline(clock=lambda: 0.0)
    watch.stop()

    class Coming(float):
        """When a connection was taken; another one comes as soon as it is looked at."""

        def __le__(self, _latest: object) -> bool:
            watch._taken[len(watch._taken)] = (1.0, near)
            watch._taken.pop(0, None)
            return True

    near, far = socket.socketpair()
    with near, far:
        watch._taken.update({0: (Coming(), near), 1: (Coming(), near)})
        assert watch.cut() == 1, "the first is back in its pool"


def test_nothing_ends_the_watch(monkeypatch: pytest.MonkeyPatch):
    looked = threading.Semaphore(0)

    def broken() -> float:
        looked.release()
        raise ArithmeticError("no such time")

    monkeypatch.setattr(deadline, "_LOOK_S", 0.001)
    watch = Deadline(clock=broken)
    assert all(looked.acquire(timeout=PATIENCE_S) for _ in range(3))
    watch.stop()


def test_a_watched_pool_keeps_no_socket_of_a_connection_that_is_gone(new_database: Callable[[], str]):
    engine = create_engine(make_url(new_database()), pool_size=1)
    watch = Deadline(engine)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
            connection.invalidate()
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
        engine.dispose()
    assert len(list(Path("/proc/self/fd").iterdir())) <= before
    watch.stop()
