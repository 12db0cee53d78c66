"""The committed Postman collection: made from the OpenAPI document, and every request in it is right."""

import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from world import World

from verifier.cli.documents import SAMPLE, postman_text
from verifier.formats.postman import collection

COMMITTED = Path(__file__).parent.parent.parent / "api_spec"
DOCUMENT = json.loads((COMMITTED / "openapi.json").read_text("utf-8"))
COLLECTION = json.loads((COMMITTED / "postman_collection.json").read_text("utf-8"))
TOKEN, *FOLDERS = COLLECTION["item"]
REQUESTS = [item for folder in FOLDERS for item in folder["item"]]
VARIABLES = {variable["key"]: variable["value"] for variable in COLLECTION["variable"]}
RETURN = ("", "/summary", "/scans", "/recheck", "/close")
NOTHING_THERE = {
    "/verify/gtin/{{gtin}}/lot/{{lot}}/ser/{{ser}}": 404,
    "/checkConnectivity": 404,
    "/v1/reactivate": 409,  # of an active pack
    "/v1/packs/events": 404,
    "/v1/events/{{event_id}}": 404,
    "/v1/alerts/{{alert_id}}": 404,
    **{f"/v1/returns/sessions/{{{{session_id}}}}{step}": 404 for step in RETURN},
}


def filled(text: str, **values: str) -> str:
    """As Postman sends it."""
    known = VARIABLES | values
    return re.sub(
        r"\{\{([^}]+)\}\}", lambda found: str(uuid.uuid4()) if found[1] == "$guid" else known[found[1]], text
    )


def names_in(value: Any) -> Iterator[str]:
    yield from re.findall(r"\{\{([^}]+)\}\}", json.dumps(value))


def test_the_committed_collection_is_what_the_openapi_document_gives():
    committed = (COMMITTED / "postman_collection.json").read_text("utf-8")
    assert committed == postman_text(), "run `make spec` and commit api_spec/postman_collection.json"


def test_every_operation_of_the_document_is_a_request_once():
    sent = [(r["request"]["method"].lower(), r["request"]["url"]["raw"].partition("?")[0]) for r in REQUESTS]
    documented = [
        (method, "{{baseUrl}}" + path.replace("{", "{{").replace("}", "}}"))
        for path, item in DOCUMENT["paths"].items()
        for method in item
        if method != "parameters"
    ]
    assert sorted(sent) == sorted(documented)


def test_the_token_is_asked_for_with_the_clients_variables_and_kept():
    request = TOKEN["request"]
    assert request["url"]["raw"] == "{{baseUrl}}/oauth/token"
    assert request["auth"]["type"] == "basic"
    assert [each["value"] for each in request["auth"]["basic"]] == ["{{clientId}}", "{{clientSecret}}"]
    assert request["body"]["urlencoded"] == [
        {"key": "grant_type", "value": "client_credentials", "type": "text"}
    ]
    assert TOKEN["event"][0]["script"]["exec"] == [
        'pm.collectionVariables.set("token", pm.response.json().access_token);'
    ]


def test_every_other_request_carries_the_token_except_the_open_ones():
    assert COLLECTION["auth"] == {
        "type": "bearer",
        "bearer": [{"key": "token", "value": "{{token}}", "type": "string"}],
    }
    without = [item["request"]["url"]["raw"] for item in REQUESTS if "auth" in item["request"]]
    assert without == ["{{baseUrl}}/v1/reasons"]


def test_a_header_idempotency_key_is_new_in_every_sending():
    keyed = {
        item["request"]["url"]["raw"].removeprefix("{{baseUrl}}/v1/"): header["value"]
        for item in REQUESTS
        for header in item["request"]["header"]
        if header["key"] == "Idempotency-Key" and not header["disabled"]
    }
    changes = {"dispense", "decommission", "reactivate", "products/withdraw"}
    changes |= {f"batches/{command}" for command in ("recall", "hold", "release")}
    changes |= {"returns/sessions"}
    changes |= {f"returns/sessions/{{{{session_id}}}}/{step}" for step in ("recheck", "close")}
    assert keyed == dict.fromkeys(changes, "{{$guid}}")


def test_every_variable_that_is_used_is_defined():
    assert set(names_in(COLLECTION["item"])) - {"$guid"} <= VARIABLES.keys()
    assert {"baseUrl", "clientId", "clientSecret", "token"} <= VARIABLES.keys()


def test_no_secret_is_kept_in_the_file():
    assert not any(VARIABLES[name] for name in ("clientId", "clientSecret", "token"))


@pytest.mark.parametrize("item", REQUESTS, ids=lambda item: item["request"]["url"]["raw"])
def test_a_request_is_taken_by_the_service_as_it_is(item: dict[str, Any], world: World):
    request = item["request"]
    path = request["url"]["raw"].removeprefix("{{baseUrl}}")
    values = world.pack() | {"event_id": str(uuid.uuid4()), "alert_id": str(uuid.uuid4())}
    values["session_id"] = str(uuid.uuid4())
    person = world.regulator if path.startswith(("/v1/batches", "/v1/products")) else world.wholesaler
    headers = {h["key"]: filled(h["value"]) for h in request["header"] if not h.get("disabled")}
    answer = world.http.open(
        filled(path, **values),
        method=request["method"],
        headers=headers | person.headers(),
        data=filled(request["body"]["raw"], **values) if "body" in request else None,
    )
    assert answer.status_code == NOTHING_THERE.get(path.partition("?")[0], 200), answer.text
    for result in (answer.json or {}).get("results", ()):
        assert result["accepted"]


def test_a_property_is_sent_when_it_is_required_or_a_variable_is_named_like_it():
    document = {
        "info": {"title": "Library", "version": "2"},
        "components": {
            "securitySchemes": {"o": {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "/t"}}}},
            "schemas": {
                "Loan": {
                    "type": "object",
                    "required": ["kind", "days", "note"],
                    "properties": {
                        "kind": {"enum": ["short", "long"]},
                        "days": {"type": "integer", "default": 7},
                        "note": {"type": "string"},
                        "title": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                        "comment": {"type": "string"},
                    },
                }
            },
        },
        "paths": {
            "/loans/{reader}": {
                "parameters": [{"in": "path", "name": "reader"}],
                "post": {
                    "security": [{"o": []}],
                    "responses": {},
                    "requestBody": {
                        "content": {
                            "application/json": {
                                "schema": {"type": "array", "items": {"$ref": "#/components/schemas/Loan"}}
                            }
                        }
                    },
                },
            }
        },
    }
    made = collection(document, "https://library.example", {"title": "Faust", "reader": "7"})
    _, folder = made["item"]
    request = folder["item"][0]["request"]
    assert request["url"]["raw"] == "{{baseUrl}}/loans/{{reader}}"
    assert json.loads(request["body"]["raw"]) == [
        {"kind": "short", "days": 7, "note": "", "title": "{{title}}"}
    ]


def test_every_sample_value_is_used():
    assert set(SAMPLE) <= set(names_in(COLLECTION["item"]))
