"""One request to a checked address: over a kept connection, within a deadline, up to a size, no redirect."""

import socket
import ssl
import threading
import time
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, NewConnectionError, ProtocolError, SSLError
from urllib3.exceptions import TimeoutError as TooSlow

from verifier.peers.addresses import AddressRefusedError, Resolver

_CHUNK = 16 * 1024
_HOSTS, _KEPT = 100, 8
_PORTS = {"https": 443, "http": 80}


Request = tuple[str, str, dict[str, str], bytes | None]
"""Method, target, headers, body."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `location` of a redirect."""

    status: int
    content_type: str
    location: str | None
    body: bytes


class NoAnswerError(Exception):
    """A code for why there is none; `again`: may another try help? `status` where one had come."""

    def __init__(self, code: str, *, again: bool = False, status: int | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.again = again
        self.status = status


class _Watch:
    """Ends a connection at the deadline: a peer that sends a byte a second never times out by itself."""

    def __init__(self, seconds: float) -> None:
        self.bitten = self.reused = False
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._bite)
        self._timer.daemon = True
        self._timer.start()

    def follow(self, sock: Any, *, reused: bool) -> None:
        self._socket, self.reused = sock, reused
        if self.bitten:
            self._shut()

    def end(self) -> None:
        self._timer.cancel()
        self._socket = None

    def _bite(self) -> None:
        self.bitten = True
        self._shut()

    def _shut(self) -> None:
        sock = self._socket
        if sock is not None:
            with suppress(OSError):  # it may have gone by itself
                socket.socket.shutdown(sock, socket.SHUT_RDWR)


_WATCH: ContextVar[_Watch] = ContextVar("watch")


class _Plain(HTTPConnection):
    _used = False

    def getresponse(self) -> Any:
        _WATCH.get().follow(self.sock, reused=self._used)
        self._used = True
        return super().getresponse()


class _Secure(HTTPSConnection):
    _used = False

    def getresponse(self) -> Any:
        _WATCH.get().follow(self.sock, reused=self._used)
        self._used = True
        return super().getresponse()


class _PlainPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _Secure


class Client:
    """Connections to peers, kept open by address and name. Thread-safe."""

    def __init__(self, resolver: Resolver, *, ca_file: str | None = None) -> None:
        self._resolver = resolver
        self._pools = urllib3.PoolManager(
            num_pools=_HOSTS, maxsize=_KEPT, cert_reqs="CERT_REQUIRED", ca_certs=ca_file
        )
        self._pools.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}

    def get(self, url: str, headers: dict[str, str], *, seconds: float, limit: int) -> Answer:
        """As `send`, for a GET."""
        return self.send("GET", url, headers, seconds=seconds, limit=limit)

    def send(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        *,
        seconds: float,
        limit: int,
        body: bytes | None = None,
    ) -> Answer:
        """The answer of one request, at most `limit` bytes, within so many seconds.

        Raises:
            NoAnswerError: there is none.
        """
        try:
            parts = urlsplit(url)
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            request = (method, target, headers | {"Host": parts.netloc}, body)
            return self._sent(parts, request, seconds, limit)
        except ValueError:  # such as a name that TLS does not take
            raise NoAnswerError("malformed_exchange") from None

    def _sent(self, parts: SplitResult, request: Request, seconds: float, limit: int) -> Answer:
        end = time.monotonic() + seconds
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        try:
            address = self._resolver.checked(host, port, seconds)
        except AddressRefusedError as refused:
            raise NoAnswerError(refused.code, again=refused.code == "timeout") from None
        left = max(end - time.monotonic(), 0.001)
        watch = _Watch(left)
        token = _WATCH.set(watch)
        try:
            return self._exchange(self._pool(parts.scheme, address, host, port), request, left, limit)
        except (HTTPError, OSError) as error:
            fault = _fault(error, watch)
            if fault.code != "closed":
                self._resolver.forget(host, port)
            raise fault from None
        finally:
            watch.end()
            _WATCH.reset(token)

    def close(self) -> None:
        """Close what is kept open."""
        self._pools.clear()

    def _pool(self, scheme: str, address: str, host: str, port: int) -> urllib3.HTTPConnectionPool:
        named = {"server_hostname": host, "assert_hostname": host} if scheme == "https" else None
        return self._pools.connection_from_host(address, port, scheme, named)

    def _exchange(
        self, pool: urllib3.HTTPConnectionPool, request: Request, left: float, limit: int
    ) -> Answer:
        method, target, headers, sent = request
        response = pool.urlopen(
            method,
            target,
            headers=headers,
            body=sent,
            # connecting and the handshake of TLS have half of it each; the watch sees to the rest
            timeout=urllib3.Timeout(connect=left / 2, read=left),
            retries=False,
            redirect=False,
            assert_same_host=False,
            preload_content=False,
            decode_content=False,
        )
        whole = False
        try:
            body = _read(response, limit)
            whole = True
        finally:
            if not whole:
                response.close()
        response.release_conn()
        return Answer(
            status=response.status,
            content_type=response.headers.get("Content-Type", "").partition(";")[0].strip().lower(),
            location=response.headers.get("Location"),
            body=body,
        )


def _read(response: urllib3.BaseHTTPResponse, limit: int) -> bytes:
    """The body; a connection that the watch has ended may look as if it had come to its end."""
    body = bytearray()
    while chunk := response.read1(_CHUNK):
        body += chunk
        if len(body) > limit:
            raise NoAnswerError("too_large", status=response.status)
    if _WATCH.get().bitten:
        raise NoAnswerError("timeout", again=True, status=response.status)
    return bytes(body)


def _fault(error: Exception, watch: _Watch) -> NoAnswerError:
    refused = isinstance(error, NewConnectionError)  # to urllib3 a time-out too
    if watch.bitten or (isinstance(error, TooSlow | TimeoutError) and not refused):
        return NoAnswerError("timeout", again=True)
    if isinstance(error, SSLError | ssl.SSLError):
        return NoAnswerError("tls")
    if isinstance(error, ProtocolError):
        # a kept connection that the peer closed meanwhile: RFC 9112, section 9.3.1
        return NoAnswerError("closed", again=watch.reused)
    return NoAnswerError("unreachable")
