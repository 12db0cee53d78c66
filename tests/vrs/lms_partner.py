"""A trading partner's side of the messages, for the tests."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from world import Person

CORR_UUID = "21EC2020-3AEA-4069-A2DD-08002B30309D"
REQ_GLN = "0321012345676"
QUERY = {
    "linkType": "verificationService",
    "context": "dscsaSaleableReturn",
    "reqGLN": REQ_GLN,
    "corrUUID": CORR_UUID,
}


def path_of(pack: Mapping[str, Any]) -> str:
    """The path of a verification, every character of lot and serial encoded that may be."""
    gtin, lot, serial = (quote(str(pack[name]), safe="") for name in ("gtin", "lot", "serial"))
    return f"/verify/gtin/{gtin}/lot/{lot}/ser/{serial}"


def yymmdd(pack: Mapping[str, Any]) -> str:
    return str(pack["expiry"])[2:].replace("-", "")


def ask(
    person: Person, pack: Mapping[str, Any], headers: Mapping[str, str] | None = None, **other: str | None
) -> Any:
    """Ask about a pack; a parameter that is None is left out."""
    query = {"exp": yymmdd(pack)} | QUERY | other
    sent = urlencode({name: value for name, value in query.items() if value is not None})
    return person.http.get(f"{path_of(pack)}?{sent}", headers=person.headers() | dict(headers or {}))


def ask_connectivity(
    person: Person, gtin: str, headers: Mapping[str, str] | None = None, **other: str | None
) -> Any:
    """Ask who answers for a product."""
    query = {"gtin": gtin} | QUERY | other
    sent = urlencode({name: value for name, value in query.items() if value is not None})
    return person.http.get(f"/checkConnectivity?{sent}", headers=person.headers() | dict(headers or {}))


def events_of(person: Person, pack: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What was written down about a pack, as this person may see it."""
    answer = person.get("/v1/packs/events", gtin=pack["gtin"], serial=pack["serial"])
    assert answer.status_code == 200, answer.text
    events: list[dict[str, Any]] = answer.json["events"]
    return events


def data(answer: Any) -> Any:
    """What the message says."""
    assert answer.status_code == 200, answer.text
    return answer.json["data"]


def told(reason: str | None = None, info: str | None = None) -> dict[str, Any]:
    """`data` as it has to be: what does not apply is left out."""
    said = {"verified": reason is None, "verificationFailureReason": reason, "additionalInfo": info}
    return {name: value for name, value in said.items() if value is not None}
