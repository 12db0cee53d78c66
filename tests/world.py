"""The service in one process, and the people who use it."""

import itertools
import random
import string
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from verifier.app import Service, build, create_app
from verifier.domain.expiry import parse_expiry
from verifier.domain.gs1 import check_digit
from verifier.domain.load import PackRow
from verifier.domain.pack import Site, SiteType
from verifier.oauth.clients import register
from verifier.oauth.scopes import SCOPES
from verifier.settings import Settings
from verifier.storage.loader import Loader

MANUFACTURER = "4000001000005"
JSON = "application/json"


class Clock:
    """The machine's clock, moved by as much as a test wants, or stopped at an instant."""

    def __init__(self) -> None:
        self.moved = timedelta(0)
        self.stopped: datetime | None = None

    def __call__(self) -> datetime:
        return self.stopped or datetime.now(UTC) + self.moved

    @contextmanager
    def at(self, instant: datetime) -> Iterator[None]:
        """Stopped at this instant."""
        self.stopped, before = instant, self.stopped
        try:
            yield
        finally:
            self.stopped = before


@dataclass
class Person:
    """Somebody at a site with a client of their own."""

    site: Site
    client_id: str
    client_secret: str
    http: FlaskClient
    keys: Any = field(default_factory=lambda: map("key-{}".format, itertools.count()))
    _token: str | None = None

    @property
    def token(self) -> str:
        if self._token is None:
            answer = self.http.post(
                "/oauth/token",
                data={"grant_type": "client_credentials"},
                auth=(self.client_id, self.client_secret),
            )
            assert answer.status_code == 200, answer.text
            self._token = answer.json["access_token"]
        return self._token

    def get(self, path: str, **query: str) -> TestResponse:
        if path.endswith("/events"):
            self.http.application.extensions["verifier"].spool.ship()  # a scan may take two seconds otherwise
        return self.http.get(path, query_string=query, headers=self.headers())

    def post(self, path: str, body: Any = None, *, key: str | None = "new", **headers: str) -> TestResponse:
        """POST JSON with an Idempotency-Key: a new one, this one, or (None) none."""
        sent = self.headers() | {name.replace("_", "-"): value for name, value in headers.items()}
        if key is not None:
            sent["Idempotency-Key"] = next(self.keys) if key == "new" else key
        return self.http.post(path, json=body, headers=sent)

    def put(self, path: str, body: Any) -> TestResponse:
        return self.http.put(path, json=body, headers=self.headers())

    def verify(self, pack: dict[str, Any], **more: Any) -> dict[str, Any]:
        answer = self.post("/v1/verify", pack | more, key=None)
        assert answer.status_code == 200, answer.text
        return answer.json

    def do(self, operation: str, pack: dict[str, Any], **more: Any) -> dict[str, Any]:
        """A change; the verdict, whatever it was."""
        answer = self.post(f"/v1/{operation}", pack | more)
        assert answer.status_code in (200, 409), answer.text
        assert answer.json["accepted"] is (answer.status_code == 200)
        return answer.json

    def dispense(self, pack: dict[str, Any], **more: Any) -> dict[str, Any]:
        return self.do("dispense", pack, **more)

    def decommission(self, pack: dict[str, Any], reason: str, **more: Any) -> dict[str, Any]:
        return self.do("decommission", pack, reason=reason, **more)

    def reactivate(self, pack: dict[str, Any], **more: Any) -> dict[str, Any]:
        return self.do("reactivate", pack, **more)

    def returns_check(self, pack: dict[str, Any], **more: Any) -> dict[str, Any]:
        answer = self.post("/v1/returns/check", pack | more, key=None)
        assert answer.status_code == 200, answer.text
        return answer.json

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


class World:
    """The running service, its clock, its people, and as many fresh packs as a test wants."""

    def __init__(self, service: Service, clock: Clock) -> None:
        self.service = service
        self.clock = clock
        self.app = create_app(service)
        self.http = self.app.test_client()
        self._random = random.Random(7)  # noqa: S311
        self._items = itertools.count(1)
        person = self.person
        self.corner_pharmacy = person("4012345000016", SiteType.PHARMACY)
        self.other_pharmacy = person("4012345000023", SiteType.PHARMACY)
        self.hospital = person("4012345000030", SiteType.HOSPITAL)
        self.wholesaler = person("4012345000047", SiteType.WHOLESALER)
        self.other_wholesaler = person("4012345000054", SiteType.WHOLESALER)
        self.manufacturer = person(MANUFACTURER, SiteType.MANUFACTURER)
        self.other_manufacturer = person("4000002000004", SiteType.MANUFACTURER)
        self.regulator = person("4012345000061", SiteType.AUTHORITY)
        self.operator = person("4012345000078", SiteType.OPERATOR)

    def person(
        self, gln: str, kind: SiteType, scopes: frozenset[str] = frozenset(SCOPES), timezone: str = "UTC"
    ) -> Person:
        access = self.service.authority.access
        site = access.add_site(Site(gln, f"{kind} {gln}", kind, "DE", timezone=timezone))
        made = register(access, "test", gln, scopes, datetime.now(UTC))
        return Person(site, made.client_id, made.client_secret, self.app.test_client())

    def new_gtin(self, prefix: str = "0501234") -> str:
        payload = f"{prefix}{next(self._items):0{13 - len(prefix)}d}"
        return payload + check_digit(payload)

    def serial(self) -> str:
        return "".join(self._random.choices(string.ascii_uppercase + string.digits, k=14))

    def pack(
        self,
        *,
        gtin: str | None = None,
        serial: str | None = None,
        lot: str = "LOT1",
        expiry: str | None = None,
        profile: str = "eu_fmd",
        stored: bool = True,
        manufacturer: str = MANUFACTURER,
    ) -> dict[str, Any]:
        """The elements of a pack, of a new product unless said otherwise, loaded unless `stored` is False."""
        pack = {
            "gtin": gtin or self.new_gtin(),
            "serial": serial or self.serial(),
            "lot": lot,
            "expiry": expiry or (date.today() + timedelta(days=400)).isoformat(),  # noqa: DTZ011
        }
        if stored:
            self.load(pack, profile=profile, manufacturer=manufacturer)
        return pack

    def load(
        self,
        *packs: dict[str, Any],
        profile: str = "eu_fmd",
        manufacturer: str = MANUFACTURER,
        ppn: str | None = None,
    ) -> None:
        product = [("name", "Painaway"), ("strength", "500 mg"), ("manufacturer_gln", manufacturer)]
        if ppn is not None:
            product.append(("ppn", ppn))
        rows = []
        for number, pack in enumerate(packs):
            expiry = parse_expiry(pack["expiry"], today=date(2026, 1, 1))
            assert expiry is not None
            named = pack["gtin"], pack["serial"], pack["lot"]
            row = PackRow(number, *named, expiry.number(), None, tuple(product))
            rows.append(row)
        rejected: list[Any] = []
        loader = Loader(self.service.engine, profile)
        loader.load(rows, dry_run=False, reject=rejected.append, progress=lambda _: None)
        assert not rejected

    def wait_for_cache(self) -> None:
        """Until the cache is admitted; the first second of a process has none."""
        end = time.monotonic() + 10
        while not self.service.control.refresh().cache_on:
            assert time.monotonic() < end, "the cache was not admitted"
            time.sleep(0.05)


def new_world(settings: Settings) -> World:
    clock = Clock()
    world = World(build(settings, clock=clock), clock)
    if settings.cache_mode == "fast":
        world.wait_for_cache()
    return world
