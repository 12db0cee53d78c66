"""gunicorn with our settings: threads, limits, one shape for errors, no control socket."""

import os
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from gunicorn import util
from gunicorn.app.base import BaseApplication
from gunicorn.http.errors import LimitRequestHeaders, LimitRequestLine
from gunicorn.workers.gthread import ThreadWorker

from verifier.settings import Settings

REQUEST_LINE = 8190


class Worker(ThreadWorker):  # type: ignore[misc]
    """A threaded worker whose own refusals are problem details too."""

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


class Server(BaseApplication):  # type: ignore[misc]
    """The arbiter with its workers; each worker builds its own service."""

    def __init__(self, settings: Settings, options: Mapping[str, Any], ready: Callable[[Any], None]) -> None:
        self._settings = settings
        self._options = {
            "worker_class": "verifier.server.Worker",
            "limit_request_line": REQUEST_LINE,
            "control_socket_disable": True,
            "forwarded_allow_ips": "",
            "keepalive": 15,
            "timeout": 30,
            "graceful_timeout": 10,
            "loglevel": "warning",
            "proc_name": "verifier",
            "when_ready": ready,
            "child_exit": _child_exit,
            "worker_exit": _worker_exit,
        } | dict(options)
        super().__init__()

    def load_config(self) -> None:
        """Our options, and nothing from a file or the command line."""
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """In the worker, after the fork: threads and connections are its own."""
        from verifier import logs  # noqa: PLC0415 - the metrics' folder must be set before they are imported
        from verifier.app import build, create_app  # noqa: PLC0415

        logs.configure(self._settings.log_level)
        service = build(self._settings, threads=int(self._options["threads"]))
        self.service = service
        return create_app(service)


def _worker_exit(_arbiter: Any, worker: Any) -> None:
    service = getattr(worker.app, "service", None)
    if service is not None:
        service.close()


def _child_exit(_arbiter: Any, worker: Any) -> None:
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        from prometheus_client import multiprocess  # noqa: PLC0415

        multiprocess.mark_process_dead(worker.pid)
