"""The responder over HTTP: parameters, bodies, headers and statuses of the standard, row by row."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lms_partner import (
    CORR_UUID,
    QUERY,
    REQ_GLN,
    ask,
    ask_connectivity,
    data,
    events_of,
    path_of,
    told,
    yymmdd,
)
from world import MANUFACTURER, World

from verifier.app import create_app
from verifier.domain.lms import Parameter, RequestRules
from verifier.domain.pack import SiteType
from verifier.oauth.vrs_file import Version

SET_82 = "!\"%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
US = "us_dscsa"


@pytest.fixture(scope="module")
def pack(world: World) -> dict[str, Any]:
    return world.pack(profile=US, expiry="2031-12-31")


def test_the_vector_of_the_standard_is_answered_to_the_letter(world: World):
    """Before its expiry; afterwards the policy decides."""
    vector = {"gtin": "00361414567894", "lot": "1908642E", "serial": "400806", "expiry": "2023-07-28"}
    world.load(vector, profile=US)
    target = (
        "/verify/gtin/00361414567894/lot/1908642E/ser/400806?exp=230728&linkType=verificationService"
        "&context=dscsaSaleableReturn&reqGLN=0321012345676&corrUUID=21EC2020-3AEA-4069-A2DD-08002B30309D"
    )
    person = world.wholesaler
    with world.clock.at(datetime(2023, 7, 1, 9, 30, 5, 678901, UTC)):
        token = {"Authorization": f"Bearer {replace(person, _token=None).token}"}
        answer = person.http.get(target, headers=token | {"Accept": "application/json"})
        assert answer.status_code == 200
        assert answer.content_type == "application/json"
        assert answer.headers["Cache-Control"] == "private, no-cache"
        assert answer.text == (
            '{"verificationTimestamp":"2023-07-01T09:30:05.678Z","responderGLN":"4000001000005",'
            '"corrUUID":"21EC2020-3AEA-4069-A2DD-08002B30309D","data":{"verified":true}}'
        )
    answer = person.http.get(target, headers=person.headers())
    assert data(answer) == told("Manufacturer_policy", "Expired")


def test_the_timestamp_has_milliseconds_and_a_zone(world: World, pack: dict[str, Any]):
    for microsecond in (0, 7, 999999):
        with world.clock.at(datetime.now(UTC).replace(microsecond=microsecond)):
            stamp = ask(world.wholesaler, pack).json["verificationTimestamp"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", stamp)


# fmt: off
WRONG_PARAMETERS = [
    ("exp",      None), ("exp",      ""), ("exp",      "3112"), ("exp",      "20311231"), ("exp", "311331"),
    ("exp",      "310230"), ("exp",  "31123\u0661"), ("exp", "2031-12-31"),
    ("linkType", None), ("linkType", ""), ("linkType", "verificationservice"), ("linkType", "all"),
    ("context",  None), ("context",  ""), ("context",  "dscsaSuspect"), ("context", "DSCSASALEABLERETURN"),
    ("reqGLN",   None), ("reqGLN",   ""), ("reqGLN",   "032101234567"), ("reqGLN",  "03210123456760"),
    ("reqGLN",   "032101234567X"), ("reqGLN", "\u0660321012345676"),
    ("corrUUID", None), ("corrUUID", ""), ("corrUUID", "x"),
    ("corrUUID", "21EC2020-3AEA-1069-A2DD-08002B30309D"),      # version 1
    ("corrUUID", "21EC2020-3AEA-4069-C2DD-08002B30309D"),      # another variant
    ("corrUUID", "21EC20203AEA4069A2DD08002B30309D"),
    ("corrUUID", "21EC2020-3AEA-4069-A2DD-08002B30309D\n"),
]
# fmt: on


@pytest.mark.parametrize(("parameter", "value"), WRONG_PARAMETERS)
def test_a_parameter_that_is_missing_or_wrong_is_400_by_name(
    world: World, pack: dict[str, Any], parameter: str, value: str | None
):
    answer = ask(world.wholesaler, pack, **{parameter: value})
    assert (answer.status_code, answer.json["code"]) == (400, "bad_request")
    assert set(answer.json["errors"]) == {parameter}


@pytest.mark.parametrize("name", ["exp", *QUERY])
def test_a_repeated_parameter_is_refused_also_with_the_same_value(
    world: World, pack: dict[str, Any], name: str
):
    query = [*QUERY.items(), ("exp", yymmdd(pack))]
    again = [*query, (name, dict(query)[name])]
    answer = world.wholesaler.http.get(
        f"{path_of(pack)}?{urlencode(again)}", headers=world.wholesaler.headers()
    )
    assert (answer.status_code, set(answer.json["errors"])) == (400, {name})


def test_unknown_parameters_are_ignored_whatever_they_are(world: World, pack: dict[str, Any]):
    answer = ask(world.wholesaler, pack, ctrlPossessAtt="true", email="x@y.example", gtin="1", nothing="%00")
    assert data(answer) == told()


@pytest.mark.parametrize("given_", [CORR_UUID.lower(), CORR_UUID, "21ec2020-3AEA-4069-b2dd-08002B30309D"])
def test_the_corr_uuid_comes_back_in_its_letter_case_and_may_come_again(
    world: World, pack: dict[str, Any], given_: str
):
    for _ in range(2):
        assert ask(world.wholesaler, pack, corrUUID=given_).json["corrUUID"] == given_


# fmt: off
MONTHS = [
    ("2031-12-31", "311231", True),  ("2031-12-31", "311200", True),  ("2031-12-30", "311200", True),
    ("2031-12-00", "311231", True),  ("2031-12-00", "311200", True),  ("2031-12-00", "311201", True),
    ("2031-12-31", "311230", False), ("2031-12-31", "311130", False), ("2031-12-31", "321231", False),
]
# fmt: on


@pytest.mark.parametrize(("stored", "sent", "same"), MONTHS)
def test_day_00_names_the_month(world: World, stored: str, sent: str, same: bool):  # noqa: FBT001
    pack = world.pack(profile=US, expiry=stored)
    assert data(ask(world.wholesaler, pack, exp=sent))["verified"] is same


@pytest.mark.parametrize(
    ("element", "value"),
    [
        ("gtin", "05012345678901"), ("gtin", "0501234567890X"), ("gtin", "123456789"),
        ("gtin", "361414567894361414567894"), ("gtin", "\u06605012345678900"),
        ("lot", "L" * 21), ("lot", "L 1"), ("lot", "L\x00"), ("lot", "L\u00e9"), ("lot", " L1"), ("lot", ""),
        ("serial", "S" * 21), ("serial", "S#1"), ("serial", "S1\n"), ("serial", ""),
    ],
)  # fmt: skip
def test_an_element_that_no_pack_can_have_is_400(
    world: World, pack: dict[str, Any], element: str, value: str
):
    name = "ser" if element == "serial" else element
    answer = ask(world.wholesaler, pack | {element: value})
    assert answer.status_code == 400, answer.text
    assert set(answer.json["errors"]) == {name}


@pytest.mark.parametrize("broken", ["%", "%2", "%zz", "%ff", "A%C3", "%E2%82"])
def test_a_broken_percent_encoding_is_400(world: World, pack: dict[str, Any], broken: str):
    path = f"/verify/gtin/{pack['gtin']}/lot/{broken}/ser/S1?{urlencode(QUERY | {'exp': '311231'})}"
    answer = world.wholesaler.http.get(path, headers=world.wholesaler.headers())
    assert (answer.status_code, set(answer.json["errors"])) == (400, {"lot"})


@pytest.mark.parametrize("length", [8, 12, 13, 14])
def test_a_gtin_may_have_8_12_13_or_14_digits(world: World, length: int):
    prefix = "0" * (14 - length) + "9" * (5 if length > 8 else 1)
    pack = world.pack(gtin=world.new_gtin(prefix), profile=US)
    assert data(ask(world.wholesaler, pack | {"gtin": pack["gtin"][14 - length :]})) == told()


def test_lots_and_serials_are_never_trimmed_or_changed(world: World):
    pack = world.pack(profile=US, lot="aB/%2F+c", serial="%20/..//'\"&=")
    assert data(ask(world.wholesaler, pack)) == told()
    for change in ({"lot": "ab/%2f+c"}, {"lot": "aB//+c"}, {"lot": "aB/%2F%20c"}):
        assert data(ask(world.wholesaler, pack | change))["verificationFailureReason"].endswith("_Lot")
    for serial in ("%20/..//'\"&", " /..//", "..", "%20/.%2F/'\"&="):
        reason = ask(world.wholesaler, pack | {"serial": serial})
        assert reason.status_code == 400 or data(reason) == told("No_match_GTIN_Serial")


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/verify", {}),
        ("/%76erify", {}),
        ("/verify", {"RAW_URI": "", "REQUEST_URI": ""}),
    ],
    ids=["as usual", "written otherwise", "no raw target"],
)
def test_a_percent_sign_in_a_lot_or_serial_is_decoded_once(world: World, path: str, target: dict[str, str]):
    pack = world.pack(profile=US, lot="A%41", serial=f"%25{world.serial()}")
    answer = world.http.get(
        path_of(pack).replace("/verify", path, 1),
        query_string=QUERY | {"exp": yymmdd(pack)},
        headers=world.wholesaler.headers(),
        environ_overrides=target,
    )
    assert data(answer) == told()


@given(lot=st.text(SET_82, min_size=1, max_size=20), serial=st.text(SET_82, min_size=1, max_size=20))
def test_any_lot_and_serial_of_set_82_finds_its_pack(world: World, lot: str, serial: str):
    pack = world.pack(profile=US, lot=lot, serial=serial)
    assert data(ask(world.wholesaler, pack)) == told()


@given(text=st.text(SET_82, min_size=1, max_size=20))
def test_what_may_stand_in_a_path_as_it_is_need_not_be_encoded(world: World, text: str):
    """RFC 3986 section 3.3: unreserved, sub-delims, `:` and `@`."""
    pack = world.pack(profile=US, lot=text, serial=text)
    segment = quote(text, safe="!&'()*+,-.:;=_~")
    path = f"/verify/gtin/{pack['gtin']}/lot/{segment}/ser/{segment}"
    query = urlencode(QUERY | {"exp": yymmdd(pack)})
    answer = world.wholesaler.http.get(f"{path}?{query}", headers=world.wholesaler.headers())
    assert data(answer) == told()


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE", "POST", "PUT", "PATCH", "DELETE"])
def test_another_method_is_405(world: World, pack: dict[str, Any], method: str):
    query = QUERY | {"exp": yymmdd(pack), "gtin": pack["gtin"]}
    for path in (path_of(pack), "/checkConnectivity"):
        answer = world.http.open(path, method=method, query_string=query, headers=world.wholesaler.headers())
        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")
        assert answer.content_type == "application/problem+json"
        assert method == "HEAD" or answer.json["code"] == "method_not_allowed"


@pytest.mark.parametrize("path", ["/checkConnectivity", "/verify/gtin/05012345678900/lot/A%2FB/ser/1"])
def test_nobody_is_answered_without_a_token_of_scope_vrs(world: World, path: str):
    answer = world.http.get(path)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="verifier"')
    without = world.person("4012345000108", SiteType.WHOLESALER, scopes=frozenset({"verify", "returns"}))
    answer = world.http.get(path, headers=without.headers())
    assert (answer.status_code, answer.json["code"]) == (403, "insufficient_scope")


def test_a_gtin_that_nobody_answers_for_is_404_and_not_a_message(world: World):
    unknown, european = world.pack(stored=False), world.pack(profile="eu_fmd")
    ownerless = world.pack(stored=False)
    world.load(ownerless, profile=US)
    path = f"/v1/products/{ownerless['gtin']}"
    assert world.regulator.put(path, {"manufacturer_gln": None}).status_code == 200
    for pack in (unknown, european, ownerless):
        answer = ask(world.wholesaler, pack)
        assert (answer.status_code, answer.json["code"]) == (404, "not_found")
        assert ask_connectivity(world.wholesaler, pack["gtin"]).status_code == 404


def test_connectivity_tells_who_answers_and_wants_what_the_us_guideline_says(
    world: World, pack: dict[str, Any]
):
    answer = ask_connectivity(world.wholesaler, pack["gtin"])
    assert (answer.status_code, answer.json) == (200, {"responderGLN": MANUFACTURER})
    assert answer.headers["Cache-Control"] == "private, no-cache"
    for name in ("reqGLN", "linkType", "context"):
        answer = ask_connectivity(world.wholesaler, pack["gtin"], **{name: None})
        assert (answer.status_code, set(answer.json["errors"])) == (400, {name})
    for gtin in ("", "012341234567"):
        answer = ask_connectivity(world.wholesaler, gtin)
        assert (answer.status_code, set(answer.json["errors"])) == (400, {"gtin"})


@pytest.fixture
def other(world: World) -> Iterator[Any]:
    """The same service, set up otherwise."""

    def made(**changes: Any) -> Any:
        lms = replace(world.service.lms, **changes)
        client = create_app(replace(world.service, lms=lms)).test_client()
        return replace(world.wholesaler, http=client, _token=world.wholesaler.token)

    return made


def test_globally_connectivity_needs_no_link_type_and_context(pack: dict[str, Any], other: Any):
    person = other(rules=RequestRules(connectivity_context=False))
    answer = person.get("/checkConnectivity", gtin=pack["gtin"], reqGLN=REQ_GLN)
    assert answer.json == {"responderGLN": MANUFACTURER}


def test_the_responders_own_gln_goes_before_the_manufacturers(world: World, pack: dict[str, Any], other: Any):
    person = other(responder=replace(world.service.lms.responder, gln="9521234567899"))
    assert ask(person, pack).json["responderGLN"] == "9521234567899"
    assert ask_connectivity(person, pack["gtin"]).json == {"responderGLN": "9521234567899"}


def test_contexts_attestation_and_contact_are_what_the_file_says(
    world: World, pack: dict[str, Any], other: Any
):
    rules = RequestRules(
        contexts=frozenset({"dscsaSaleableReturn", "somethingElse"}),
        parameters=(Parameter("ctrlPossessAtt", required=True, value="true"), Parameter("email")),
    )
    person = other(rules=rules)
    assert ask(person, pack).json["errors"].keys() == {"ctrlPossessAtt"}
    assert ask(person, pack, ctrlPossessAtt="false").json["errors"].keys() == {"ctrlPossessAtt"}
    for wrong in ("x" * 255, "a\nb"):
        assert ask(person, pack, ctrlPossessAtt="true", email=wrong).json["errors"].keys() == {"email"}
    answer = ask(person, pack, context="somethingElse", ctrlPossessAtt="true", email="desk@returns.example")
    assert data(answer) == told()
    own = events_of(world.wholesaler, pack)[-1]
    assert own["operation"] == "lms"
    assert events_of(world.manufacturer, pack)[-1]["details"] is None
    assert own["details"]["more"] == {"ctrlPossessAtt": "true", "email": "desk@returns.example"}
    assert own["details"]["context"] == "somethingElse"


# fmt: off
VERSIONS = [
    (False, None, 200), (False, "1.3.0", 200), (False, "9.9", 400), (True, None, 400), (True, "1.3.0", 200),
]
# fmt: on


@pytest.mark.parametrize(("required", "sent", "status"), VERSIONS)
def test_the_version_header_is_optional_unless_the_file_says_otherwise(
    pack: dict[str, Any],
    other: Any,
    required: bool,  # noqa: FBT001
    sent: str | None,
    status: int,
):
    person = other(version=Version("X-Version", ("1.3.0",), required))
    headers = {} if sent is None else {"X-Version": sent}
    assert ask(person, pack, headers).status_code == status
    assert ask_connectivity(person, pack["gtin"], headers).status_code == status
