"""gunicorn with our settings: threads, limits, one shape for errors, no control socket."""

import ctypes
import os
import signal
import sys
from typing import Any

import msgspec
from gunicorn import util
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger
from gunicorn.http.errors import LimitRequestHeaders, LimitRequestLine
from gunicorn.workers.gthread import _DEFER, ThreadWorker

from verifier import logs
from verifier.settings import Settings, from_env

REQUEST_LINE = 8190
FIRST_BYTE_S = 0.02
_PR_SET_PDEATHSIG = 1


class Worker(ThreadWorker):  # type: ignore[misc]
    """A threaded worker: silent connections get no thread, its own refusals are problem details too."""

    def handle(self, conn: Any) -> Any:
        """In a thread: a new connection has it for a moment, and once more with its first byte.

        By itself it would wait here for five seconds: a dozen clients that connect ahead of their first scan
        would keep everybody else's waiting.
        """
        new = not conn.initialized and not conn.data_ready
        return _DEFER if new and not conn.wait_for_data(FIRST_BYTE_S) else super().handle(conn)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """What gunicorn would answer in HTML before the application is asked."""
        if isinstance(exc, LimitRequestLine):
            status, reason, code = 414, "URI Too Long", "uri_too_long"
        elif isinstance(exc, LimitRequestHeaders):
            status, reason, code = 431, "Request Header Fields Too Large", "headers_too_large"
        elif type(exc).__module__ == "gunicorn.http.errors":
            status, reason, code = 400, "Bad Request", "bad_request"
        else:
            super().handle_error(req, client, addr, exc)
            return
        body = msgspec.json.encode(
            {"type": f"/problems/{code}", "title": reason, "status": status, "code": code, "detail": reason}
        )
        head = (
            f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\nContent-Type: application/problem+json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        util.write_nonblock(client, head.encode() + body)


class Log(Logger):  # type: ignore[misc]
    """gunicorn's records go the way of all others: JSON lines on stderr."""

    def setup(self, cfg: Any) -> None:
        """As its parent, without a handler of its own."""
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


class Server(BaseApplication):  # type: ignore[misc]
    """The arbiter's application; each worker builds its own service."""

    def __init__(self, settings: Settings, bind: str, workers: int, threads: int) -> None:
        self._settings = settings
        self._threads = threads
        self._options = {
            "bind": bind,
            "workers": workers,
            "threads": threads,
            "worker_class": "verifier.server.Worker",
            "limit_request_line": REQUEST_LINE,
            "control_socket_disable": True,
            "forwarded_allow_ips": "",
            "keepalive": 15,
            "timeout": 30,
            "graceful_timeout": 10,
            "loglevel": "warning",
            "logger_class": "verifier.server.Log",
            "proc_name": "verifier",
            "child_exit": _child_exit,
            "worker_exit": _worker_exit,
        }
        super().__init__()

    def load_config(self) -> None:
        """Our options, and nothing from a file or the command line."""
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """In the worker, after the fork: threads and connections are its own."""
        from verifier.app import build, create_app  # noqa: PLC0415 - the arbiter that forks stays small

        self.service = build(self._settings, threads=self._threads)
        return create_app(self.service)

    def run(self) -> None:
        """Until a signal, or until the process that started this one is gone."""
        _Orphan(self).run()


class _Orphan(Arbiter):  # type: ignore[misc]
    """An arbiter that goes when its parent does, so that the next start finds the port free."""

    def __init__(self, app: Server) -> None:
        super().__init__(app)
        self._parent = os.getppid()

    def manage_workers(self) -> None:
        """Asked about once a second."""
        if os.getppid() != self._parent:
            self.stop(graceful=False)
            raise SystemExit(0)
        super().manage_workers()


def _worker_exit(_arbiter: Any, worker: Any) -> None:
    service = getattr(worker.app, "service", None)
    if service is not None:
        service.close()


def _child_exit(_arbiter: Any, worker: Any) -> None:
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        from prometheus_client import multiprocess  # noqa: PLC0415 - only where there is a folder

        multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def _die_with_parent() -> None:
    """On Linux the kernel tells at once; elsewhere the arbiter asks once a second."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)


def main() -> None:
    """`python -m verifier.server BIND WORKERS THREADS`, settings from the environment.

    A process of its own without any other thread: a fork beside a thread that holds a lock, an import's for
    instance, leaves that lock held in the worker for ever.
    """
    _die_with_parent()
    bind, workers, threads = sys.argv[1:]
    settings = from_env(os.environ)
    logs.configure(settings.log_level)
    Server(settings, bind, int(workers), int(threads)).run()


if __name__ == "__main__":
    main()
