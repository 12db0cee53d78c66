"""How an example is prepared and asked, and when an answer is the one that it shows."""

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from sqlalchemy.exc import OperationalError
from werkzeug.test import TestResponse
from world import Person, World

from verifier.domain.codes import PackCode, parse
from verifier.domain.directory import Entry
from verifier.oauth.clients import register
from verifier.storage.store import Store

DOTS = "\u2026"
GTIN = "05012345678900"
NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
LATER = "2028-12-31"
MESSAGE = re.compile(r"/gtin/(\d+)/lot/([^/]+)/ser/([^/]+)$")
Pack = dict[str, str]


class Asking:
    """An example on its way: who asks about which packs, and what the step before has answered."""

    def __init__(self, world: World, example: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = world
        self.given: list[str] = example["given"]
        self.request: dict[str, Any] = example["request"]
        self.monkeypatch = monkeypatch
        self.person = world.corner_pharmacy
        self.last: dict[str, Any] = {}
        self.session = ""

    def answer(self) -> TestResponse:
        """What the service says, after everything that is given has come about, a minute for each."""
        for number, sentence in enumerate(self.given):
            with self.world.clock.at(NOW - timedelta(minutes=len(self.given) - number)):
                GIVEN[sentence](self)
        self.world.service.spool.ship()  # a scan may take two seconds otherwise
        with self.world.clock.at(NOW):
            return self.send()

    def send(self) -> TestResponse:
        headers, body = dict(self.request.get("headers", {})), self.request.get("body")
        if "Authorization" in headers:
            scheme = headers["Authorization"].split()[0]
            headers["Authorization"] = f"{scheme} {getattr(self, scheme.lower())()}"
        return self.world.http.open(
            self.request["path"].replace(DOTS, self.an_id()),
            method=self.request["method"],
            headers=headers,
            data=body if isinstance(body, str) or body is None else json.dumps(body),
        )

    def bearer(self) -> str:
        return self.person.token

    def basic(self) -> str:
        return b64encode(f"{self.person.client_id}:{self.person.client_secret}".encode()).decode()

    def an_id(self) -> str:
        """Of the event, the alert or the session of the step before."""
        if "/sessions/" in self.request["path"]:
            return self.session
        if "/events/" in self.request["path"]:
            return str(self.last["event_id"])
        return str((self.last.get("alert") or {}).get("id"))

    def packs(self) -> Iterator[Pack]:
        """Those that the request names; what it leaves out is the usual."""
        body, address = self.request.get("body"), urlsplit(self.request["path"])
        named = (
            (body.get("items") or body.get("scans") or [body])
            if isinstance(body, dict)
            else [dict(parse_qsl(address.query))]
        )
        serial = address.path.removeprefix("/v1/").replace(DOTS, "").strip("/").upper()[:20]
        usual = {"gtin": GTIN, "serial": serial, "lot": "LOT1", "expiry": "2028-12-31"}
        if in_path := re.search(r"/products/(\d+)", address.path):
            usual["gtin"] = in_path[1]
        if message := MESSAGE.search(address.path):
            named = [{"gtin": message[1], "lot": message[2], "serial": message[3], "expiry": LATER}]
        for one in named:
            yield usual | elements(one)

    def store(self, **other: str) -> None:
        for pack in self.packs():
            self.world.load(pack | other)

    def store_for_the_us(self, **other: str) -> None:
        for pack in self.packs():
            self.world.load(pack | other, profile="us_dscsa")

    def do(self, who: str, operation: str, **more: Any) -> None:
        for pack in self.packs():
            self.last = getattr(getattr(self.world, who), operation)(pack, **more)

    def become(self, who: str) -> None:
        self.person = getattr(self.world, who)

    def restrict(self, scope: str) -> None:
        site, access = self.person.site, self.world.service.authority.access
        made = register(access, "example", site.gln, frozenset({scope}), datetime.now(UTC))
        self.person = Person(site, made.client_id, made.client_secret, self.world.app.test_client())

    def command(self, name: str) -> None:
        [pack] = self.packs()
        body = {"gtin": pack["gtin"], "lot": pack["lot"], "reason": "Quality defect"}
        assert self.world.regulator.post(f"/v1/batches/{name}", body).status_code == 200

    def ask_network(self) -> None:
        for pack in self.packs():
            assert self.person.post("/v1/vrs/verify", pack).status_code == 200

    def fill_directory(self) -> None:
        entry = Entry("00361414567894", "https://vrs.example/lms", end=20270630, contact="+1 555 0100")
        assert self.world.service.ports.vrs.directory.put([entry]) == [None]

    def use_key(self, **change: Any) -> None:
        key = self.request["headers"]["Idempotency-Key"]
        body = self.request["body"] | change
        assert self.person.post(self.request["path"], body, key=key).status_code == 200

    def use_device(self) -> None:
        device = self.request["body"]["device"]
        assert self.person.dispense(self.world.pack(), device=device)["code"] == "ok"

    def open_return(self) -> None:
        wanted = dict(parse_qsl(urlsplit(self.request["path"]).query)).get("reference", "RMA-2026-0815")
        lots = [{"gtin": GTIN, "lot": "LOT1", "count": 2}]
        body = {"reference": wanted, "counterparty_gln": "4012345000047", "expected_lots": lots}
        answer = self.person.post("/v1/returns/sessions", body)
        assert answer.status_code == 200, answer.text
        self.session = answer.json["id"]

    def scan_unknown(self) -> None:
        pack = {"gtin": "05012345678917", "serial": "7GX9A2QK99", "lot": "LOT9", "expiry": "2028-12-31"}
        path = f"/v1/returns/sessions/{self.session}/scans"
        key = f"scan-{self.session}"
        answer = self.person.post(path, {"scans": [pack | {"idempotency_key": key}]}, key=None)
        assert answer.json["totals"]["pending"] == 1, answer.text

    def close_return(self) -> None:
        assert self.person.post(f"/v1/returns/sessions/{self.session}/close", {}).status_code == 200

    def cut_database(self) -> None:
        def away(*_: Any) -> None:
            raise OperationalError("", {}, Exception())

        self.monkeypatch.setattr(Store, "run", away)


def elements(named: dict[str, Any]) -> Pack:
    """The elements that part of a request carries, from the raw code where there is one."""
    if "code" not in named:
        return {name: named[name] for name in ("gtin", "serial", "lot", "expiry") if name in named}
    code = parse(named["code"], today=date(2026, 11, 21))
    if not isinstance(code, PackCode):
        return {"gtin": str(code.gtin), "serial": str(code.serial)}
    expiry = code.expiry.iso() if code.expiry else ""
    return {"gtin": code.gtin, "serial": code.serial, "lot": str(code.lot), "expiry": expiry}


GIVEN: dict[str, Callable[[Asking], None]] = {
    "asked by a wholesaler": lambda asking: asking.become("wholesaler"),
    "asked by the manufacturer": lambda asking: asking.become("manufacturer"),
    "asked by the authority": lambda asking: asking.become("regulator"),
    "the token has the scope verify only": lambda asking: asking.restrict("verify"),
    "a pack of the lot is stored": Asking.store,
    "a pack of the product is stored": Asking.store,
    "the product is unknown": lambda _asking: None,
    "the pack is stored": Asking.store,
    "the pack is stored for the US": Asking.store_for_the_us,
    "the pack is stored for the US with another lot": lambda asking: asking.store_for_the_us(lot="ANOTHER"),
    "a pack of the product is stored for the US": Asking.store_for_the_us,
    "the lot is known, the serial is not": lambda asking: asking.store(serial="ANOTHER"),
    "the pack is stored with another lot": lambda asking: asking.store(lot="ANOTHER"),
    "the lot is recalled": lambda asking: asking.command("recall"),
    "the lot is on hold": lambda asking: asking.command("hold"),
    "this pharmacy has verified it": lambda asking: asking.do("corner_pharmacy", "verify"),
    "this pharmacy has dispensed it": lambda asking: asking.do("corner_pharmacy", "dispense"),
    "another pharmacy has dispensed it": lambda asking: asking.do("other_pharmacy", "dispense"),
    "the request was answered before": Asking.use_key,
    "the key was used for another request": lambda asking: asking.use_key(reference="another"),
    "the device has used the number before": Asking.use_device,
    "this pharmacy has opened a return": Asking.open_return,
    "a pack of it is pending": Asking.scan_unknown,
    "the return is closed": Asking.close_return,
    "the network was asked about the pack": Asking.ask_network,
    "the directory names a service": Asking.fill_directory,
    "the database does not answer": Asking.cut_database,
}


def differences(shown: Any, said: Any, place: str = "body") -> list[str]:
    """Where what was said is not what the example shows; its dots stand for whatever changes each time."""
    if isinstance(shown, dict) and isinstance(said, dict):
        missing = [f"{place}.{name}" for name in sorted(shown.keys() ^ said.keys())]
        return missing + [
            found
            for name in shown.keys() & said.keys()
            for found in differences(shown[name], said[name], f"{place}.{name}")
        ]
    if isinstance(shown, list) and isinstance(said, list):
        if shown[-1:] == [DOTS]:
            shown, said = shown[:-1], said[: len(shown) - 1]
        if len(shown) != len(said):
            return [f"{place}: {len(said)} elements"]
        pairs = enumerate(zip(shown, said, strict=True))
        return [found for number, pair in pairs for found in differences(*pair, f"{place}[{number}]")]
    if isinstance(shown, str) and isinstance(said, str):
        pattern = ".+".join(map(re.escape, shown.split(DOTS)))
        return [] if re.fullmatch(pattern, said) else [f"{place}: {said}"]
    return [] if shown == said and type(shown) is type(said) else [f"{place}: {said}"]
