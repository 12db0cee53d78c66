"""POST over HTTP with kept connections: a reply, or silence and what is known of it."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, ReadTimeoutError, SSLError

MAX_ANSWER = 2**20  # bytes; a verdict has about a thousand


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server said; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Silence:
    """No reply. `sent`: the request may have arrived; `timed_out`: so may the next; `final`: so it stays."""

    detail: str
    sent: bool
    timed_out: bool = False
    final: bool = False


class Transport:
    """Connections to one server, shared by threads. No repeats; no redirects: they carry secrets away."""

    def __init__(self, base_url: str, timeout: float) -> None:
        self._base = base_url
        self._pool = urllib3.PoolManager(
            maxsize=8,
            timeout=urllib3.Timeout(connect=timeout, read=timeout),
            retries=False,
            headers={"Accept": "application/json"},
        )

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Reply | Silence:
        """One POST to `base_url + path`."""
        try:
            answer = self._pool.request(
                "POST",
                self._base + path,
                body=body,
                headers={"Accept": "application/json", **headers},
                redirect=False,
                preload_content=False,
            )
            data = answer.read(MAX_ANSWER + 1)
            if len(data) > MAX_ANSWER:
                answer.close()
            else:
                answer.drain_conn()
                answer.release_conn()
        except HTTPError as error:
            return _silence(error)
        except (OSError, UnicodeError) as error:  # UnicodeError: a host name that is none
            return Silence(f"The connection failed ({type(error).__name__}).", sent=True)
        return Reply(answer.status, {name.lower(): value for name, value in answer.headers.items()}, data)


def _silence(error: HTTPError) -> Silence:
    match error:
        case SSLError():
            return Silence("The server's certificate was not accepted.", sent=False, final=True)
        case NewConnectionError():  # a kind of ConnectTimeoutError in urllib3, though nothing was waited for
            return Silence("The server cannot be reached.", sent=False)
        case ConnectTimeoutError():
            return Silence("The server cannot be reached in time.", sent=False, timed_out=True, final=True)
        case ReadTimeoutError():
            return Silence("The server did not answer in time.", sent=True, timed_out=True)
        case _:
            return Silence("The connection was lost before the answer came.", sent=True)


def checked_url(base_url: str, *, insecure: bool = False) -> str:
    """The address without a trailing slash.

    Raises:
        ValueError: no http(s) address, more than host, port and path, or plain http beyond loopback.
    """
    address = base_url.strip().rstrip("/")
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"not an address: {address}") from error
    if parts.scheme not in {"http", "https"} or not host:
        raise ValueError(f"not an http or https address: {address or 'nothing given'}")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("the address must hold neither user, password, query nor fragment")
    if parts.scheme == "http" and not insecure and not is_loopback(host):
        raise ValueError("plain http would show secret and packs on the way: use https")
    return address


def is_loopback(host: str) -> bool:
    """Whether a host name or address stays on this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
