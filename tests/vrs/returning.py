"""People at the returns desk: what they send, and what they are told."""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from werkzeug.test import TestResponse
from world import Person, World

from verifier.app import create_app
from verifier.domain.gs1 import check_digit
from verifier.domain.load import PackRow
from verifier.domain.questions import Heard
from verifier.domain.resale import CODES, Asked, Asking
from verifier.storage.loader import Loader

SESSIONS = "/v1/returns/sessions"
COUNTERPARTY = "4012345000016"
Pack = dict[str, Any]
_numbers = itertools.count(1)


@dataclass
class Desk:
    """One session, as one person works at it."""

    person: Person
    id: str
    answer: dict[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return f"{SESSIONS}/{self.id}"

    def send(self, *scans: dict[str, Any]) -> TestResponse:
        sent = [{"idempotency_key": new_key()} | each for each in scans]
        return self.person.post(f"{self.path}/scans", {"scans": sent}, key=None)

    def scan(self, pack: dict[str, Any], **more: Any) -> dict[str, Any]:
        """The answer to this scan."""
        answer = self.send(pack | more)
        assert answer.status_code == 200, answer.text
        return answer.json["results"][0]

    def scan_all(self, packs: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        told = []
        rest = list(packs)
        while rest:
            now, rest = rest[:100], rest[100:]
            answer = self.send(*now)
            assert answer.status_code == 200, answer.text
            told += answer.json["results"]
        return told

    def look(self) -> dict[str, Any]:
        answer = self.person.get(self.path)
        assert answer.status_code == 200, answer.text
        return answer.json

    def totals(self) -> dict[str, Any]:
        """Those that are not 0 or null."""
        return {name: value for name, value in self.look()["totals"].items() if value}

    def recheck(self, **key: str) -> TestResponse:
        return self.person.post(f"{self.path}/recheck", {}, **key)

    def close(self, **key: str) -> TestResponse:
        return self.person.post(f"{self.path}/close", {}, **key)

    def as_(self, person: Person) -> "Desk":
        return replace(self, person=person)


def new_key() -> str:
    return f"scan-{next(_numbers)}"


def open_session(person: Person, **more: Any) -> Desk:
    body = {"reference": f"RMA-{next(_numbers)}", "counterparty_gln": COUNTERPARTY, "transaction_data": "yes"}
    answer = person.post(SESSIONS, body | more)
    assert answer.status_code == 200, answer.text
    return Desk(person, answer.json["id"], answer.json)


def named(*packs: Pack) -> list[dict[str, str]]:
    """As they stand on a list."""
    return [{name: pack[name] for name in ("gtin", "serial")} for pack in packs]


def new_sscc() -> str:
    payload = f"34012345{next(_numbers):09d}"
    return payload + check_digit(payload)


def load_case(world: World, packs: Iterable[Pack], sscc: str) -> None:
    rows = []
    for number, pack in enumerate(packs):
        year, month, day = pack["expiry"].split("-")
        gtin = pack["gtin"].rjust(14, "0")
        named_ = gtin, pack["serial"], pack["lot"], int(year + month + day)
        rows.append(PackRow(number, *named_, sscc, (("name", "Painaway"),)))
    rejected: list[Any] = []
    loader = Loader(world.service.engine, "us_dscsa")
    loader.load(rows, dry_run=False, reject=rejected.append, progress=lambda _: None)
    assert not rejected


# what follows for a resale from what the network says
SAID = {
    "ok": "yes", "mismatch": "no", "policy": "no", "no_answer": "pending", "unknown_gtin": "pending",
    "refused": "pending", "malformed": "pending",
}  # fmt: skip


class Network:
    """Answers as a test wants, by serial; nobody else answers. Keeps what it was asked."""

    def __init__(self) -> None:
        self.says: dict[str, str] = {}
        self.asked: list[tuple[str, str, bool | None]] = []
        self.meanwhile: Callable[[], None] = lambda: None

    def __call__(
        self, _ports: Any, _actor: Any, scan: Any, *, context: str, associated: bool | None
    ) -> Heard:
        serial = scan.code.serial
        self.asked.append((serial, context, associated))
        self.meanwhile()
        said = self.says.get(serial, "no_answer")
        asked = {"ok": Asked.VERIFIED, "mismatch": Asked.NEGATIVE, "policy": Asked.NEGATIVE}
        asking = Asking(
            asked.get(said) or Asked(said),
            corr_uuid="21EC2020-3AEA-4069-A2DD-08002B30309D",
            responder_gln="0321012345676",
            at=datetime.now(UTC),
        )
        return Heard(asking, CODES[said])


def with_network(world: World, network: Network) -> Callable[[Person], Person]:
    """The same people before a service that asks this network."""
    service = replace(world.service, ports=replace(world.service.ports, ask=network))
    app = create_app(service)

    def moved(person: Person) -> Person:
        return replace(person, http=app.test_client())

    return moved


def dispensed(world: World) -> dict[str, Any]:
    pack = world.pack(profile="us_dscsa")
    world.corner_pharmacy.dispense(pack)
    return pack


def recalled(world: World, command: str = "recall") -> dict[str, Any]:
    pack = world.pack(profile="us_dscsa", lot="BAD")
    body = {"gtin": pack["gtin"], "lot": "BAD", "reason": "Quality defect"}
    assert world.regulator.post(f"/v1/batches/{command}", body).status_code == 200
    return pack


def loaded(world: World, **more: Any) -> dict[str, Any]:
    return world.pack(profile="us_dscsa", **more)
