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

KEPT_S = 30.0
"""How long a name's addresses are believed."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
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
        self._held[host, port] = (found[0], time.monotonic())
        return found[0]

    def forget(self, host: str, port: int) -> None:
        """It could not be reached: look it up anew."""
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
    """May we connect to this address? To public ones; and to the machine's own where this is said.

    An IPv6 address that carries an IPv4 one is judged by both.
    """
    address = ipaddress.ip_address(text)
    if loopback and address.is_loopback:
        return True
    return all(each.is_global and not each.is_multicast for each in (address, *_carried(address)))


def _carried(address: Address) -> list[Address]:
    if isinstance(address, ipaddress.IPv4Address):
        return []
    carried = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        carried.append(ipaddress.IPv4Address(int(address) & _V4_BITS))
    return [each for each in carried if each is not None]
