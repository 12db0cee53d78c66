"""The standard's own example, and a requestor that asks about it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

from verifier.domain.codes import PackCode
from verifier.domain.directory import Entry
from verifier.domain.expiry import parse_expiry
from verifier.domain.questions import Question, Reply
from verifier.peers.addresses import Resolver as Names
from verifier.peers.config import CONTEXT, Requestor
from verifier.peers.network import PeerNetwork

GTIN = "00361414567894"
CORR = "21ec2020-3aea-4069-a2dd-08002b30309e"
PACK = {"gtin": GTIN, "serial": "400806", "lot": "1908642E", "exp": "230728"}
QUICK = Requestor(seconds=3.0, try_seconds=1.0, tries=2, loopback=True, breaker_failures=100)


def code_of(pack: dict[str, Any] = PACK) -> PackCode:
    expiry = parse_expiry(pack["exp"], today=date(2026, 11, 21))
    return PackCode(pack["gtin"], pack["serial"], pack["lot"], expiry, None, ())


@contextmanager
def requestor(settings: Requestor = QUICK, names: Names | None = None, **more: int) -> Iterator[PeerNetwork]:
    made = PeerNetwork(settings, names, **more)
    yield made
    made.close()


def ask(peers: PeerNetwork, url: str, *, pack: dict[str, Any] = PACK, resolver: bool = False) -> Reply:
    entry = Entry(GTIN, url, resolver=resolver)
    return peers.ask(Question(code_of(pack), entry, CONTEXT, "0321012345676", CORR))
