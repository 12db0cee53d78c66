"""Whom we may connect to: names are looked up here, every address is checked, and that address is used.

What a name stands for may change between a check and the connection (DNS rebinding), so the connection is
made to the address that was checked, while TLS and `Host` go by the name.
"""

import ipaddress
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from verifier.peers.recent import remember

KEPT_S = 30.0
"""How long a name's addresses are believed."""
# All public IPv6 addresses are in the first block (IANA, "IPv6 Address Space"), but for those of the second,
# each of which stands for an IPv4 address (RFC 6052). So site-local addresses, local NAT64 (RFC 8215), other
# ways to write an IPv4 address and the segments of RFC 9602 are out, on every version of Python.
_UNICAST, _NAT64 = ipaddress.ip_network("2000::/3"), ipaddress.ip_network("64:ff9b::/96")
# In IANA's registries of special purposes, and public to some versions of Python: nobody's service is there.
_SPECIAL = tuple(
    map(
        ipaddress.ip_network,
        (
            "192.0.0.0/24",       # protocol assignments: RFC 6890
            "192.31.196.0/24",    # AS112: RFC 7535
            "192.52.193.0/24",    # automatic multicast tunneling: RFC 7450
            "192.88.99.0/24",     # relays of 6to4: RFC 7526
            "192.175.48.0/24",    # AS112: RFC 7534
            "2001::/23",          # protocol assignments, Teredo among them: RFC 2928
            "2001:db8::/32",      # documentation: RFC 3849
            "2620:4f:8000::/48",  # AS112: RFC 7534
            "3fff::/20",          # documentation: RFC 9637
        ),
    )
)  # fmt: skip
_V4_BITS = 0xFFFFFFFF
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class AddressRefusedError(Exception):
    """Not to be asked; `code` is `address_not_allowed`, `unknown_host` or `timeout`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Resolver:
    """Names to addresses that may be connected to. Thread-safe.

    Args:
        loopback: is the machine itself allowed, and nothing else that is not public?
        look_up: as `socket.getaddrinfo`.
    """

    def __init__(
        self, *, loopback: bool = False, look_up: Callable[..., list[Any]] = socket.getaddrinfo
    ) -> None:
        self._loopback = loopback
        self._look_up = look_up
        self._held: dict[tuple[str, int], tuple[str, float]] = {}
        self._lock = threading.Lock()

    def checked(self, host: str, port: int, seconds: float) -> str:
        """An address of this host. One that is not allowed among several refuses the host.

        Raises:
            AddressRefusedError: it is not to be asked, or not known within so many seconds.
        """
        held = self._held.get((host, port))
        if held is not None and time.monotonic() - held[1] < KEPT_S:
            return held[0]
        found = self._addresses(host, port, seconds)
        if not found:
            raise AddressRefusedError("unknown_host")
        if not all(allowed(address, loopback=self._loopback) for address in found):
            raise AddressRefusedError("address_not_allowed")
        with self._lock:
            remember(self._held, (host, port), (found[0], time.monotonic()))
        return found[0]

    def forget(self, host: str, port: int) -> None:
        """It could not be reached: look it up anew."""
        with self._lock:
            self._held.pop((host, port), None)

    def _addresses(self, host: str, port: int, seconds: float) -> list[str]:
        """Looked up beside, as the system's own look-up has no deadline."""
        found: list[str] = []
        done = threading.Event()

        def work() -> None:
            try:
                infos = self._look_up(host, port, type=socket.SOCK_STREAM)
                found.extend(str(info[4][0]).partition("%")[0] for info in infos)
            except (OSError, UnicodeError):
                pass
            done.set()

        threading.Thread(target=work, name="look-up", daemon=True).start()
        if not done.wait(seconds):
            raise AddressRefusedError("timeout")
        return found


def allowed(text: str, *, loopback: bool) -> bool:
    """May we connect to this address? To public ones, and to the machine's own where this is said.

    An IPv6 address that carries an IPv4 one is judged by both.
    """
    address = ipaddress.ip_address(text)
    if loopback and address.is_loopback:
        return True
    return all(_is_public(each) for each in (address, *_carried(address)))


def _is_public(address: Address) -> bool:
    if address.version == _UNICAST.version and address not in _UNICAST and address not in _NAT64:
        return False
    special = any(address in block for block in _SPECIAL)
    return address.is_global and not address.is_multicast and not special


def _carried(address: Address) -> list[Address]:
    if isinstance(address, ipaddress.IPv4Address):
        return []
    if address in _NAT64:
        return [ipaddress.IPv4Address(int(address) & _V4_BITS)]
    return [address.sixtofour] if address.sixtofour is not None else []
