"""Bad input: each gets the contract's code as problem details, never HTML, never a trace, never our fault."""

import json
from datetime import timedelta
from typing import Any

import pytest
from problems import is_problem
from world import JSON, World

DEEP = 100_000
NUL = "\0"
HIGH = "\ud800"


def send(world: World, data: bytes | str, content_type: str | None = JSON, path: str = "/v1/verify") -> Any:
    headers = world.corner_pharmacy.headers() | {"Idempotency-Key": "never-kept"}
    return world.http.post(path, data=data, headers=headers, content_type=content_type)


@pytest.mark.parametrize("path", ["/v1/verify", "/v1/dispense", "/v1/decommission", "/v1/reactivate"])
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"{",
        b'{"gtin": "1",}',
        b"{'gtin': '1'}",
        b'{"gtin": NaN}',
        b'{"gtin": "1"} {}',
        b'{"serial": "\xff"}',
        b'{"serial": "\xc3\x28"}',
        b"\xff\xfe{\x00}\x00",
        b'{"serial": "\\ud800"}',
        b'{"serial": "\\x41"}',
        b'{"serial": "\x01"}',
        b"[" * DEEP + b"]" * DEEP,
        b'{"a":' * DEEP + b"1" + b"}" * DEEP,
        b'{"code":' + b"[" * DEEP + b"]" * DEEP + b"}",
        b'{"gtin": "1", "more": ' + b'{"a":' * 17 + b"1" + b"}" * 17 + b"}",
        b'{"serial": ' + b"9" * 5000 + b"}",
    ],
    ids=lambda data: ascii(data[:24]),
)
def test_what_is_no_readable_json_is_malformed(world: World, path: str, data: bytes):
    is_problem(send(world, data, path=path), 400, "malformed_json")


@pytest.mark.parametrize("data", [b"[]", b"null", b'"text"', b"1", b"[{}]"])
def test_a_body_that_is_no_object_is_invalid(world: World, data: bytes):
    assert "body" in is_problem(send(world, data), 422, "invalid_request")["errors"]


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "text/plain",
        "application/x-www-form-urlencoded",
        "text/json",
        "application/xml",
        "multipart/form-data",
    ],
)
def test_anything_but_json_is_an_unsupported_media_type(world: World, content_type: str | None):
    is_problem(send(world, json.dumps(world.pack()), content_type), 415, "unsupported_media_type")


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON"])
def test_json_may_say_its_charset(world: World, content_type: str):
    assert send(world, json.dumps(world.pack()), content_type).json["code"] == "ok"


@pytest.mark.parametrize("data", [b" " * (1024 * 1024 + 1), b'{"code":"' + b"1" * 1024 * 1024 + b'"}'])
def test_a_body_over_one_mebibyte_is_too_large(world: World, data: bytes):
    is_problem(send(world, data), 413, "too_large")


def test_a_body_of_just_one_mebibyte_is_read(world: World):
    body = json.dumps(world.pack()).encode()
    assert send(world, body + b" " * (1024 * 1024 - len(body))).json["code"] == "ok"


WRONG = [None, 1, 1.5, True, [], {}, ["S1"]]
BAD_FIELDS: list[tuple[str, dict[str, Any]]] = [
    *(("serial", {"serial": value}) for value in (*WRONG, "", " ", " S1", "S1 ", "S1\n", "é", "#", "x" * 21)),
    *(("lot", {"lot": value}) for value in (*WRONG, "", "a b", "x" * 21, "\u0663")),
    *(
        ("expiry", {"expiry": value})
        for value in (*WRONG, "", "271301", "2027-12-32", "27-12-31", "20271231")
    ),
    *(
        ("gtin", {"gtin": value})
        for value in (None, 5012345678900, "", "1", "05012345678901", "0" * 15, "\uff10" * 14)
    ),
    *(
        ("ppn", {"gtin": None, "ppn": value})
        for value in ("", "110375286415", "11037528641", "120375286414", 1)
    ),
    ("ppn", {"ppn": "110375286414"}),
    *(("seal", {"seal": value}) for value in ("opened", "", None, 1)),
    *(("entry_mode", {"entry_mode": value}) for value in ("typed", None, 1)),
    *(("offline", {"offline": value}) for value in ("true", 1, None)),
    *(
        (name, {name: value})
        for name in ("user", "reference")
        for value in ("", "a b", "x" * 65, "é", "u\n", 7)
    ),
    *(
        ("occurred_at", {"occurred_at": value})
        for value in ("yesterday", "2026-01-01", "2026-01-01T00:00:00", "", 1)
    ),
    ("occurred_at", {"occurred_at": "2026-13-01T00:00:00Z"}),
    ("occurred_at", {"occurred_at": "9999-12-31T23:59:59-12:00"}),
    ("occurred_at", {"occurred_at": "0001-01-01T00:00:00+12:00"}),
    ("device", {"device": "till-1"}),
    ("device", {"device": []}),
    ("device.id", {"device": {"sequence": 1}}),
    ("device.sequence", {"device": {"id": "till-1"}}),
    ("device.id", {"device": {"id": "till 1", "sequence": 1}}),
    ("device.id", {"device": {"id": "till-1\n", "sequence": 1}}),
    *(
        ("device.sequence", {"device": {"id": "t", "sequence": value}})
        for value in (-1, 2**63, 10**30, "1", 1.5, None, True)
    ),
    ("device.owner", {"device": {"id": "t", "sequence": 1, "owner": "x"}}),
    *((name, {name: "x"}) for name in ("patient", "Gtin", "sscc", "not_supplied_to_public", "reason")),
    *(("code", {"code": value}) for value in (1, [], {}, True)),
    *(
        (name, {name: f"a{NUL}b"})
        for name in (
            "gtin",
            "serial",
            "lot",
            "expiry",
            "user",
            "reference",
            "seal",
            "entry_mode",
            "occurred_at",
        )
    ),
]


@pytest.mark.parametrize(("field", "change"), BAD_FIELDS, ids=lambda value: ascii(value)[:40])
def test_a_wrong_field_is_named(world: World, field: str, change: dict[str, Any]):
    answer = world.corner_pharmacy.post("/v1/dispense", world.pack() | change)
    assert field in is_problem(answer, 422, "invalid_request")["errors"]


@pytest.mark.parametrize("left_out", ["gtin", "serial", "lot", "expiry"])
@pytest.mark.parametrize("path", ["/v1/verify", "/v1/dispense", "/v1/returns/check"])
def test_a_missing_element_is_named(world: World, path: str, left_out: str):
    pack = world.pack()
    del pack[left_out]
    body = is_problem(world.corner_pharmacy.post(path, pack), 422, "invalid_request")
    assert list(body["errors"]) == [left_out]


@pytest.mark.parametrize("element", ["gtin", "ppn", "serial", "lot", "expiry"])
def test_code_and_elements_are_not_sent_together(world: World, element: str):
    value = "110375286414" if element == "ppn" else world.pack()[element]
    answer = world.corner_pharmacy.post("/v1/verify", {"code": "]d201", element: value})
    assert element in is_problem(answer, 422, "invalid_request")["errors"]


@pytest.mark.parametrize("reason", [None, "", "sold", "dispensed", "active", 1, "destroyed\0"])
def test_a_decommission_needs_one_of_its_reasons(world: World, reason: Any):
    answer = world.corner_pharmacy.post("/v1/decommission", world.pack() | {"reason": reason})
    assert "reason" in is_problem(answer, 422, "invalid_request")["errors"]


@pytest.mark.parametrize("declared", [None, "yes", 1])
def test_a_declaration_is_a_boolean(world: World, declared: Any):
    answer = world.corner_pharmacy.post("/v1/reactivate", world.pack() | {"not_supplied_to_public": declared})
    assert "not_supplied_to_public" in is_problem(answer, 422, "invalid_request")["errors"]


def test_a_claimed_time_may_be_five_minutes_ahead_and_not_more(world: World):
    now = world.clock()
    with world.clock.at(now):
        for ahead, status in ((timedelta(minutes=5), 200), (timedelta(minutes=5, microseconds=1), 422)):
            sent = world.pack() | {"occurred_at": (now + ahead).isoformat()}
            assert world.corner_pharmacy.post("/v1/verify", sent).status_code == status


BAD_COMMANDS = [
    *(("reason", value) for value in (None, "", "x" * 501, 1, f"a{NUL}b")),
    *(("gtin", value) for value in (None, "", "1", "05012345678901", 1, f"a{NUL}b")),
    ("serial", "S1"),
]
BAD_LOTS = [("lot", value) for value in (None, "", "a b", "x" * 21, 1, f"a{NUL}b")]


@pytest.mark.parametrize(
    ("path", "field", "value"),
    [
        *(("/v1/batches/recall", *row) for row in [*BAD_COMMANDS, *BAD_LOTS]),
        *(("/v1/products/withdraw", *row) for row in [*BAD_COMMANDS, ("lot", "LOT1")]),
    ],
    ids=lambda value: ascii(value)[:24],
)
def test_a_wrong_field_of_a_command_is_named(world: World, path: str, field: str, value: Any):
    pack = world.pack()
    body = {"gtin": pack["gtin"], "reason": "test"} | ({"lot": pack["lot"]} if "batches" in path else {})
    answer = world.regulator.post(path, body | {field: value})
    assert field in is_problem(answer, 422, "invalid_request")["errors"]


@pytest.mark.parametrize("text", [NUL, HIGH, "a\ud800b"])
@pytest.mark.parametrize("field", ["gtin", "serial", "lot", "expiry", "user", "reference", "code", "patient"])
def test_no_text_whatever_is_our_fault(world: World, field: str, text: str):
    sent = {field: text} if field == "code" else world.pack() | {field: text}
    answer = world.corner_pharmacy.post("/v1/dispense", sent)
    assert answer.status_code in (400, 422)
    is_problem(answer, answer.status_code, answer.json["code"])


@pytest.mark.parametrize(
    ("path", "query", "field"),
    [
        ("/v1/packs", "gtin={gtin}&serial=S1&lot=L&expiry=271231&patient=x", "patient"),
        ("/v1/packs", "gtin={gtin}&serial=S1&seal=broken", "seal"),
        ("/v1/packs", "gtin={gtin}", "serial"),
        ("/v1/packs", "serial=S1", "gtin"),
        ("/v1/packs", "gtin=%ZZ&serial=S1", "gtin"),
        ("/v1/packs", "gtin=%FF%FE&serial=S1", "gtin"),
        ("/v1/packs", "gtin={gtin}&serial=%00", "serial"),
        ("/v1/packs", "gtin={gtin}&serial=S1&expiry=999999", "expiry"),
        ("/v1/packs/events", "gtin={gtin}", "serial"),
        ("/v1/packs/events", "gtin={gtin}&serial=", "serial"),
        ("/v1/packs/events", "gtin={gtin}&serial=%00", "serial"),
        ("/v1/packs/events", "gtin=1&serial=S1", "gtin"),
        ("/v1/packs/events", "gtin={gtin}&serial=S1&site=1", "site"),
        ("/v1/alerts", "gtin=1", "gtin"),
        ("/v1/alerts", "cursor=never", "cursor"),
        ("/v1/alerts", "cursor=%C3%A9", "cursor"),
        ("/v1/alerts", "cursor=MDAwMS0wMS0wMQ==", "cursor"),
        ("/v1/alerts", "statuss=new", "statuss"),
        *(
            ("/v1/alerts", f"{name}=a%00b", name)
            for name in ("status", "lot", "code", "site", "gtin", "cursor")
        ),
    ],
)
def test_a_wrong_parameter_is_named(world: World, path: str, query: str, field: str):
    address = f"{path}?{query.format(gtin=world.pack()['gtin'])}"
    answer = world.http.get(address, headers=world.corner_pharmacy.headers())
    assert field in is_problem(answer, 422, "invalid_request")["errors"]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v2/verify",
        "/v1/verify/more",
        "/v1/alerts/no-uuid",
        "/v1/alerts/%00",
        "/%ZZ",
        "/%FF",
        "/docs/../x",
    ],
)
def test_what_is_not_there_is_not_found(world: World, path: str):
    is_problem(world.http.get(path, headers=world.corner_pharmacy.headers()), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/verify", "POST"),
        ("PUT", "/v1/dispense", "POST"),
        ("DELETE", "/v1/packs", "GET"),
        ("POST", "/v1/alerts", "GET"),
        ("PATCH", "/v1/products/05012345678900", "PUT"),
    ],
)
def test_another_method_is_not_allowed_and_told_which_is(world: World, method: str, path: str, allowed: str):
    answer = world.http.open(path, method=method, headers=world.corner_pharmacy.headers())
    is_problem(answer, 405, "method_not_allowed")
    assert allowed in answer.headers["Allow"]
