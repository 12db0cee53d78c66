"""Looks at a pack: verify, check a return, read. What is answered and written down; nothing moves."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from desk import (
    AUTHORITY,
    MANUFACTURER,
    NOW,
    OTHER_MANUFACTURER,
    OTHER_PHARMACY,
    PHARMACY,
    WHOLESALER,
    Desk,
    plain,
)

from verifier.domain.codes import Unreadable
from verifier.domain.expiry import Expiry
from verifier.domain.journal import Fault, PackEvent
from verifier.domain.lifecycle import Operation, Seal
from verifier.domain.pack import State
from verifier.domain.pack_code import Reason
from verifier.domain.scan import Context, Device, EntryMode, Scan
from verifier.domain.verdict import ReturnsVerdict, Verdict
from verifier.services import packs
from verifier.services.standing import standing_gtin

S = State
LOOKS = [Operation.VERIFY, Operation.RETURNS_CHECK, Operation.READ]
NOTHING = Fault("not_found", "No pack is known by these elements.")


class Closed:
    """A store that must not be asked."""

    def run(self, work: Any) -> Any:
        raise AssertionError(work)


@pytest.mark.parametrize("operation", LOOKS)
def test_a_look_at_a_good_pack_changes_nothing_and_is_written_down(desk: Desk, operation: Operation):
    code = desk.pack()
    told = desk.look(code, operation)
    assert (told.operation, told.code, told.accepted, told.alert) == (operation, "ok", True, None)
    assert (told.pack.state, told.received_at) == (S.ACTIVE, NOW)
    assert isinstance(told, ReturnsVerdict) is (operation is Operation.RETURNS_CHECK)
    assert desk.stored(code).version == 0
    event = desk.event(code)
    assert event == PackEvent(
        event_id=event.event_id,
        gtin=code.gtin,
        serial=code.serial,
        operation=operation,
        reason=None,
        code="ok",
        accepted=True,
        version=None,
        state_before="active",
        state_after="active",
        site_gln=PHARMACY.site.gln,
        client_id=PHARMACY.client_id,
        received_at=NOW,
        occurred_at=None,
        details={
            "entry_mode": "scanned",
            "seal": "not_checked",
            "lot": code.lot,
            "expiry": "2027-12-31",
            "ppn": None,
        },
    )
    assert told.event_id == str(event.event_id)
    assert desk.answer(event) == plain(told)


def test_a_look_at_a_good_pack_waits_for_no_transaction(desk: Desk):
    ports = replace(desk.ports, store=Closed())
    assert packs.look(ports, PHARMACY, Operation.VERIFY, Scan(desk.pack(), Context())).accepted


@pytest.mark.parametrize("operation", LOOKS)
def test_a_look_that_is_refused_raises_an_alert_unless_it_only_reads(desk: Desk, operation: Operation):
    code = desk.pack(S.DISPENSED, state_site=OTHER_PHARMACY.site.gln)
    told = desk.look(code, operation)
    assert (told.code, told.accepted, told.pack.state) == ("already_dispensed", False, S.DISPENSED)
    assert (told.alert is None) is (operation is Operation.READ)
    assert len(desk.alerts(code.gtin)) == (0 if operation is Operation.READ else 1)
    event = desk.event(code)
    assert (event.code, event.accepted, event.state_before) == ("already_dispensed", False, "dispensed")
    assert desk.answer(event) == plain(told)


def test_the_second_time_in_one_request_is_refused(desk: Desk):
    code = desk.pack()
    told = desk.look(code, duplicate=True)
    assert (told.code, told.accepted, told.alert.code) == ("duplicate_in_request", False, "DUP")
    assert desk.look(code).code == "ok"


def test_a_look_needs_no_sequence_number_of_its_own(desk: Desk):
    code = desk.pack()
    assert [desk.look(code, device=Device("till", 1)).code for _ in range(2)] == ["ok", "ok"]


@pytest.mark.parametrize(("language", "title"), [("en", "Genuine and active"), ("de", "Echt und aktiv")])
def test_the_words_are_in_the_language_of_who_asks(desk: Desk, language: str, title: str):
    assert desk.look(desk.pack(), language=language).title == title


@pytest.mark.parametrize("profile", ["eu_fmd", "us_dscsa"])
def test_the_regulation_is_the_products(desk: Desk, profile: str):
    assert desk.look(desk.pack(product=desk.product(profile=profile))).pack.profile == profile


def test_of_an_unknown_product_nothing_is_known_but_what_was_sent(desk: Desk):
    told = desk.look(replace(desk.pack(), gtin="05012345678900"))
    assert (told.code, told.pack.profile, told.pack.state) == ("unknown_product", "eu_fmd", None)
    assert (told.pack.gtin, told.alert) == ("05012345678900", None)


def test_the_circumstances_of_the_scan_are_judged(desk: Desk):
    code = desk.pack()
    assert desk.look(code, seal=Seal.BROKEN).code == "seal_broken"
    assert desk.look(code, offline=True).notes == ("offline",)


def test_a_pack_expires_by_the_date_at_the_site(desk: Desk):
    code = desk.pack()
    auckland = replace(PHARMACY, site=replace(PHARMACY.site, timezone="Pacific/Auckland"))
    with desk.clock.at(NOW.replace(year=2027, month=12, day=31)):
        assert (desk.look(code).code, desk.look(code, by=auckland).code) == ("ok", "expired")


# Read: Art. 36(f).


def read(desk: Desk, code: Any, by: Any) -> Verdict | Fault:
    return packs.read(desk.ports, by, Scan(code, Context()))


@pytest.mark.parametrize("reader", [PHARMACY, WHOLESALER, MANUFACTURER, AUTHORITY])
@pytest.mark.parametrize("state", [S.ACTIVE, S.STOLEN])
def test_who_names_a_pack_in_full_may_read_it(desk: Desk, reader: Any, state: State):
    code = desk.pack(state, state_site=WHOLESALER.site.gln)
    told = read(desk, code, reader)
    assert isinstance(told, Verdict)
    assert (told.operation, told.pack.state, told.alert) == ("read", state, None)
    assert desk.event(code).operation == "read"
    assert desk.alerts(code.gtin) == []


@pytest.mark.parametrize(("reader", "may"), [(PHARMACY, False), (MANUFACTURER, True), (AUTHORITY, True)])
@pytest.mark.parametrize("missing", [{"lot": None}, {"expiry": None}, {"lot": None, "expiry": None}])
def test_lot_and_expiry_may_be_left_out_by_owner_and_state(
    desk: Desk,
    reader: Any,
    may: bool,  # noqa: FBT001
    missing: dict[str, None],
):
    code = desk.pack()
    told = read(desk, replace(code, **missing), reader)
    assert (told != NOTHING) is may
    assert len(desk.events(code)) == may


UNKNOWN = [{"serial": "NEVER-MADE"}, {"gtin": "05012345678900"}]
MISMATCHES = [({"lot": "OTHER"}, "lot_mismatch"), ({"expiry": Expiry(2027, 11, 30)}, "expiry_mismatch")]


@pytest.mark.parametrize("changed", UNKNOWN)
@pytest.mark.parametrize("reader", [PHARMACY, MANUFACTURER, AUTHORITY])
def test_what_is_unknown_is_not_there_for_anybody(desk: Desk, reader: Any, changed: dict[str, Any]):
    code = replace(desk.pack(), **changed)
    assert read(desk, code, reader) == NOTHING
    assert desk.events(code) == []


@pytest.mark.parametrize(("changed", "_mismatch"), MISMATCHES)
@pytest.mark.parametrize("reader", [PHARMACY, WHOLESALER, OTHER_MANUFACTURER])
def test_what_does_not_match_is_not_there_for_others(
    desk: Desk, reader: Any, changed: dict[str, Any], _mismatch: str
):
    code = replace(desk.pack(), **changed)
    assert read(desk, code, reader) == NOTHING
    assert desk.events(code) == []


@pytest.mark.parametrize(("changed", "mismatch"), MISMATCHES)
@pytest.mark.parametrize("reader", [MANUFACTURER, AUTHORITY])
def test_owner_and_state_are_told_what_does_not_match_and_nothing_is_raised(
    desk: Desk, reader: Any, changed: dict[str, Any], mismatch: str
):
    code = replace(desk.pack(), **changed)
    told = read(desk, code, reader)
    assert isinstance(told, Verdict)
    assert (told.operation, told.code, told.pack.state, told.alert) == ("read", mismatch, None, None)
    assert desk.event(code).code == mismatch
    assert desk.alerts(code.gtin) == []


def test_another_manufacturers_pack_is_not_there(desk: Desk):
    assert read(desk, desk.pack(), OTHER_MANUFACTURER) == NOTHING


# What a code must carry.


@pytest.mark.parametrize(
    ("lacking", "missing"),
    [
        ({}, ()),
        ({"lot": None}, ("lot",)),
        ({"expiry": None}, ("expiry",)),
        ({"lot": None, "expiry": None}, ("lot", "expiry")),
    ],
)
def test_the_regulation_asks_for_lot_and_expiry(
    desk: Desk, lacking: dict[str, None], missing: tuple[str, ...]
):
    code = replace(desk.pack(), **lacking)
    assert packs.missing_elements(desk.ports, Scan(code, Context())) == missing


def test_a_pack_stands_under_its_gtin_whatever_was_sent(desk: Desk):
    sent, gtin = desk.pack_with_ppn()
    assert standing_gtin(desk.ports, sent.gtin) == gtin
    assert standing_gtin(desk.ports, sent.gtin, sent.serial) == gtin
    stored = desk.pack()
    assert standing_gtin(desk.ports, stored.gtin) == stored.gtin
    assert standing_gtin(desk.ports, "04150123456782") == "04150123456782"
    event = desk.look(sent)
    assert (event.pack.gtin, event.pack.ppn) == (gtin, sent.ppn)
    assert desk.event(replace(sent, gtin=gtin)).gtin == gtin


def test_a_gtin_that_is_no_ntin_needs_no_look_up(desk: Desk):
    class Blind:
        def find(self, code: Any) -> Any:
            raise AssertionError(code)

    code = desk.pack()
    ports = replace(desk.ports, reader=Blind())
    assert standing_gtin(ports, code.gtin) == code.gtin
    assert packs.missing_elements(ports, Scan(code, Context())) == ()


# What could not be read.


def test_an_unreadable_code_is_written_down_when_the_pack_can_be_recognised(desk: Desk):
    code = desk.pack()
    context = Context(
        EntryMode.IMAGE, occurred_at=NOW - timedelta(hours=2), device=Device("till", 3), raw="]d2", user="u1"
    )
    unreadable = Unreadable(Reason.BAD_DATE, "No such day.", code.gtin, code.serial)
    packs.record_unreadable(desk.ports, WHOLESALER, Operation.DISPENSE, unreadable, context)
    event = desk.event(code)
    assert event == PackEvent(
        event_id=event.event_id,
        gtin=code.gtin,
        serial=code.serial,
        operation="dispense",
        reason="bad_date",
        code="unreadable_code",
        accepted=False,
        version=None,
        state_before=None,
        state_after=None,
        site_gln=WHOLESALER.site.gln,
        client_id=WHOLESALER.client_id,
        received_at=NOW,
        occurred_at=NOW - timedelta(hours=2),
        details={
            "entry_mode": "image",
            "seal": "not_checked",
            "device": {"id": "till", "sequence": 3},
            "raw": "]d2",
            "user": "u1",
        },
    )
    assert desk.answer(event) is None
    assert desk.alerts(code.gtin) == []
    assert desk.stored(code).version == 0


@pytest.mark.parametrize("known", ["gtin", "serial", None])
def test_what_names_no_pack_is_not_written_down(desk: Desk, known: str | None):
    code = desk.pack()
    named = {known: getattr(code, known)} if known else {}
    unreadable = Unreadable(Reason.MISSING_SERIAL, "No serial.", **named)
    ports = replace(desk.ports, store=Closed(), scans=Closed())
    packs.record_unreadable(ports, PHARMACY, Operation.VERIFY, unreadable, Context())
    assert desk.events(code) == []
