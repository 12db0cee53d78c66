"""Whatever is asked in whatever order, the service answers what the plain model says, and forgets nothing.

`MODEL_EXAMPLES=2000` makes it a long run with new examples instead of the same short one.
"""

import os
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from plain_model import START, Day, Model, Request, Site
from told import day, shown, written
from werkzeug.test import TestResponse
from world import Person, World

from verifier.domain.gs1 import check_digit
from verifier.domain.pack import SiteType

TOKEN_SECONDS = 200
LONG = int(os.environ.get("MODEL_EXAMPLES", "0"))
# fmt: off
PEOPLE = {
    "pharmacy":     (SiteType.PHARMACY,     "401234500020", "UTC"),
    "auckland":     (SiteType.PHARMACY,     "401234500021", "Pacific/Auckland"),
    "wholesaler":   (SiteType.WHOLESALER,   "401234500022", "America/New_York"),
    "manufacturer": (SiteType.MANUFACTURER, "401234500023", "Europe/Berlin"),
    "authority":    (SiteType.AUTHORITY,    "401234500024", "UTC"),
}
ROUTES = {
    "verify": "/v1/verify", "returns_check": "/v1/returns/check", "dispense": "/v1/dispense",
    "decommission": "/v1/decommission", "reactivate": "/v1/reactivate",
}
WRONG = {
    "serial":   {"serial": "NEVER"},
    "batch":    {"serial": "NEVER", "lot": "NEVER"},
    "lot":      {"lot": "NEVER"},
    "swapped":  {"lot": "L2"},
    "expiry":   {"expiry": (2031, 12, 31)},
}
# fmt: on
REASONS = ("destroyed", "exported", "sample", "free_sample", "stolen", "locked", "checked_out")
EXPIRIES: tuple[Day, ...] = (
    (2029, 5, 31), (2029, 5, 31), (2029, 5, 0), (2027, 3, 9), (2027, 3, 10), (2027, 3, 11), (2027, 3, 0),
    (2027, 4, 9),
)  # fmt: skip
OVERLAYS = ("none", "recalled", "on_hold", "both", "withdrawn")
COMMANDS = ("recall", "hold", "release", "withdraw")
HOURS = (1, 1, 12, 24, 24 * 9, 24 * 10, 24 * 30)

sites = st.sampled_from(["pharmacy", "pharmacy", "auckland", "wholesaler", "wholesaler", *PEOPLE])
numbers = st.sampled_from([0, 0, 0, 0, 3, 3, 3, *range(8)])
lots = st.sampled_from(["L1", "L2", "L3"])
regulations = st.sampled_from(["eu_fmd", "us_dscsa"])
seldom = st.sampled_from([False] * 7 + [True])
seals = st.sampled_from(["not_checked"] * 4 + ["intact"] * 4 + ["broken"])
which = {"number": numbers, "wrong": st.sampled_from([None] * 30 + ["product", *WRONG]), "month_only": seldom}
looks = st.fixed_dictionaries(
    {**which, "seal": seals, "entry_mode": st.sampled_from(["scanned", "scanned", "manual", "image"])}
)
changes = st.fixed_dictionaries(
    {
        **which,
        "seal": seals,
        "entry_mode": st.sampled_from(["scanned", "scanned", "manual"]),
        "offline": seldom,
        "sequence": st.sampled_from([None] * 5 + [1, 2, 3]),
    }
)


class Machine(RuleBasedStateMachine):
    """Two products, one of each regulation, with two batches each, and packs in all of them."""

    commands = 0
    world: ClassVar[World]
    people: ClassVar[Mapping[str, Person]]
    logged_in: ClassVar[float] = 0.0

    def __init__(self) -> None:
        super().__init__()
        self.model = Model(START)
        self.names: list[tuple[str, str]] = []
        self.asked: list[Request] = []
        self.answers: dict[tuple[str, str | None], TestResponse] = {}
        self.device = f"D-{self.world.serial()}"
        self.unknown = self.world.new_gtin()
        self.left = self.commands
        self.login()
        self.sites = {
            name: Site(name, person.site.gln, str(person.site.type), person.site.timezone)
            for name, person in self.people.items()
        }

    def login(self) -> None:
        """A long run outlives its tokens."""
        if time.monotonic() - Machine.logged_in > TOKEN_SECONDS:
            for person in self.people.values():
                person._token = None
            Machine.logged_in = time.monotonic()

    @initialize(
        overlay=st.sampled_from(OVERLAYS),
        expiries=st.lists(st.sampled_from(EXPIRIES), min_size=2, max_size=2),
    )
    def stock(self, overlay: str, expiries: list[Day]) -> None:
        """The first batch of each product is free, the second has the overlay."""
        self.tick(timedelta(0))
        self.products = {profile: self.world.new_gtin() for profile in ("eu_fmd", "us_dscsa")}
        for profile in self.products:
            self.load(profile, *zip(("L1", "L1", "L2"), (EXPIRIES[0], *expiries), strict=True))
        for gtin in self.products.values():
            self.overlay(overlay, gtin)

    def overlay(self, name: str, gtin: str) -> None:
        """Before anybody looks, so that no process has a copy to forget and no second is spent."""
        if name == "withdrawn":
            return  # of a whole product, which would leave little to see: only by command
        recalled, on_hold = name in ("recalled", "both"), name in ("on_hold", "both")
        marks = {"recalled": recalled or None, "on_hold": on_hold or None}
        self.world.service.ports.store.run(lambda tx: tx.mark_batch(gtin, "L2", **marks))
        batch = self.model.batches[gtin, "L2"]
        batch.recalled, batch.on_hold = recalled, on_hold

    def load(self, profile: str, *batches: tuple[str, Day]) -> None:
        gtin, packs = self.products[profile], []
        for lot, expiry in batches:
            packs.append(self.world.pack(gtin=gtin, lot=lot, expiry=written(expiry), stored=False))
            self.model.load(gtin, packs[-1]["serial"], lot, expiry, profile)
            self.names.append((gtin, packs[-1]["serial"]))
        self.world.load(*packs, profile=profile, manufacturer=self.people["manufacturer"].site.gln)

    def tick(self, step: timedelta = timedelta(seconds=1)) -> None:
        self.model.now += step
        self.world.clock.stopped = self.model.now

    @rule(hours=st.sampled_from(HOURS))
    def time_passes(self, hours: int) -> None:
        self.tick(timedelta(hours=hours))

    @rule(profile=regulations, lot=lots, expiry=st.sampled_from(EXPIRIES))
    def a_pack_is_loaded(self, profile: str, lot: str, expiry: Day) -> None:
        if len(self.names) < 8:
            self.load(profile, (lot, expiry))

    @rule(site=sites, operation=st.sampled_from(["verify", "verify", "returns_check"]), how=looks)
    def somebody_looks(self, site: str, operation: str, how: dict[str, Any]) -> None:
        self.ask(self.request(site, operation, **how))

    @rule(site=sites, how=changes)
    def somebody_dispenses(self, site: str, how: dict[str, Any]) -> None:
        self.ask(self.request(site, "dispense", **how))

    @rule(site=sites, how=changes, reason=st.sampled_from(REASONS))
    def somebody_decommissions(self, site: str, how: dict[str, Any], reason: str) -> None:
        self.ask(self.request(site, "decommission", reason=reason, **how))

    @rule(site=sites, own=st.booleans(), how=changes, declared=st.booleans())
    def somebody_reactivates(self, site: str, own: bool, how: dict[str, Any], declared: bool) -> None:  # noqa: FBT001
        """A pack that was changed, if there is one; every other time where this was done."""
        changed = [number for number, name in enumerate(self.names) if self.model.packs[name].by]
        if changed:
            how["number"] = changed[how["number"] % len(changed)]
            by = self.model.packs[self.names[how["number"]]].by
            site = next(name for name, facts in self.sites.items() if facts.gln == by) if own else site
        self.ask(self.request(site, "reactivate", declared=declared, **how))

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), declared=st.booleans(), times=st.integers(1, 4))
    def the_last_one_comes_back(self, data: st.DataObject, declared: bool, times: int) -> None:  # noqa: FBT001
        """The same site asks for it again, or undoes it."""
        last = self.asked[-1]
        undo = data.draw(st.booleans(), label="undo")
        for _ in range(1 if undo else times):
            again = replace(last, key=self.key(), sequence=None)
            self.ask(
                replace(again, operation="reactivate", reason=None, declared=declared) if undo else again
            )

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), changed=st.sampled_from(["nothing", "nothing", "seal", "operation", "site"]))
    def an_old_key_comes_again(self, data: st.DataObject, changed: str) -> None:
        old = data.draw(st.sampled_from(self.asked), label="old request")
        if changed == "seal":
            old = replace(old, seal="intact" if old.seal != "intact" else "broken")
        elif changed == "operation":
            operation = "dispense" if old.operation == "reactivate" else "reactivate"
            old = replace(old, operation=operation, reason=None, declared=False)
        elif changed == "site":
            old = replace(old, site=self.sites[data.draw(sites, label="site")])
        self.ask(old)

    @precondition(lambda self: self.left > 0)
    @rule(data=st.data(), name=st.sampled_from(COMMANDS), profile=regulations, lot=lots)
    def somebody_commands(self, data: st.DataObject, name: str, profile: str, lot: str) -> None:
        """Rare, since a command takes its second; the same key changes nothing and takes none."""
        self.left -= 1
        self.tick()
        gtin, key = self.products[profile], self.key()
        who = self.people[data.draw(st.sampled_from(["manufacturer", "authority"]), label="who")]
        path = "/v1/products/withdraw" if name == "withdraw" else f"/v1/batches/{name}"
        body = {"gtin": gtin, "reason": "because"} | ({} if name == "withdraw" else {"lot": lot})
        expected = body | {"status": self.model.command(name, gtin, lot)}
        del expected["reason"]
        for _ in range(2):
            answer = who.post(path, body, key=key)
            assert (answer.status_code, answer.json) == (200, expected)

    def key(self) -> str:
        return f"{self.device}-{len(self.asked)}-{self.model.now.timestamp():.0f}"

    def request(
        self,
        site: str,
        operation: str,
        *,
        number: int,
        wrong: str | None,
        month_only: bool,
        **more: Any,
    ) -> Request:
        """About one of the packs, now and then with something wrong."""
        gtin, serial = self.names[number % len(self.names)]
        stored = self.model.packs[gtin, serial]
        expiry = (*stored.expiry[:2], 0) if month_only else stored.expiry
        self.tick()
        if operation not in ("verify", "returns_check"):
            more["key"] = self.key()
        if more.get("offline"):
            more["occurred_at"] = self.model.now - timedelta(hours=1)
        request = Request(self.sites[site], operation, gtin, serial, stored.lot, expiry, **more)
        if wrong == "product":
            return replace(request, gtin=self.unknown)
        return replace(request, **WRONG[wrong]) if wrong else request

    def ask(self, request: Request) -> None:
        self.tick()
        expected = self.model.ask(request)
        answer = self.send(request)
        if expected.replayed:
            first = self.answers[request.site.name, request.key]
            assert answer.headers["Idempotency-Replayed"] == "true"
            assert (answer.status_code, answer.data) == (first.status_code, first.data)
            return
        assert "Idempotency-Replayed" not in answer.headers
        assert shown(answer) == expected
        if request.changes and expected.fault is None:
            self.asked.append(request)
            self.answers[request.site.name, request.key] = answer

    def send(self, request: Request) -> TestResponse:
        body: dict[str, Any] = {
            "gtin": request.gtin,
            "serial": request.serial,
            "lot": request.lot,
            "expiry": written(request.expiry),
            "seal": request.seal,
            "entry_mode": request.entry_mode,
        }
        if request.operation == "decommission":
            body["reason"] = request.reason
        if request.operation == "reactivate":
            body["not_supplied_to_public"] = request.declared
        if request.offline:
            assert request.occurred_at is not None
            body |= {"offline": True, "occurred_at": request.occurred_at.isoformat()}
        if request.sequence is not None:
            body["device"] = {"id": self.device, "sequence": request.sequence}
        return self.people[request.site.name].post(ROUTES[request.operation], body, key=request.key)

    def teardown(self) -> None:
        try:
            self.nothing_is_forgotten()
        finally:
            self.world.clock.stopped = None

    def nothing_is_forgotten(self) -> None:
        for (gtin, serial), history in self.model.history.items():
            answer = self.people["authority"].get("/v1/packs/events", gtin=gtin, serial=serial)
            told = [
                event | {"received_at": datetime.fromisoformat(event["received_at"])}
                for event in answer.json["events"]
            ]
            assert [{name: event[name] for name in history[0]} for event in told] == history
        for gtin in {name[0] for name in self.model.alerts}:
            answer = self.people["authority"].get("/v1/alerts", gtin=gtin)
            alerts = {
                (a["gtin"], a["serial"], a["site"], a["code"], day(a["raised_at"])): a["count"]
                for a in answer.json["alerts"]
            }
            assert alerts == {name: count for name, count in self.model.alerts.items() if name[0] == gtin}


class MachineWithCommands(Machine):
    """The same with recalls, holds, releases and withdrawals over HTTP in between."""

    commands = 3


@pytest.fixture(scope="module")
def people(world: World) -> dict[str, Person]:
    return {
        name: world.person(gln + check_digit(gln), kind, timezone=zone)
        for name, (kind, gln, zone) in PEOPLE.items()
    }


@pytest.mark.parametrize(("machine", "examples", "steps"), [(Machine, 10, 40), (MachineWithCommands, 2, 40)])
def test_the_service_answers_what_the_model_says(
    world: World, people: dict[str, Person], machine: type[Machine], examples: int, steps: int
):
    bound = type(machine.__name__, (machine,), {"world": world, "people": people})
    run_state_machine_as_test(
        bound,
        settings=settings(
            max_examples=LONG or examples,
            stateful_step_count=steps,
            derandomize=not LONG,
            phases=list(Phase) if LONG else [Phase.generate],
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
