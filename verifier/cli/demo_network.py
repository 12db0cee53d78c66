"""The second part of the demo: a US returns desk asks the manufacturers' services over the network.

Two manufacturers run services of their own; a third one's answers belong to another question. The desk's
own service knows none of the packs.
"""

import csv
import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from joserfc import jws
from joserfc.jwk import KeySet
from rich.console import Console
from rich.table import Table

from verifier.cli.demo_places import DemoFailed, Place
from verifier.domain.gs1 import check_digit

DESK_GLN = "4012345000047"
EXPIRY = "2031-12-31"
LOOK = {"yes": "bold green", "pending": "bold yellow", "no": "bold red"}


def checked(payload: str) -> str:
    """With its check digit: a GTIN of 14 digits, a GLN of 13."""
    return payload + check_digit(payload)


@dataclass(frozen=True)
class Maker:
    """A manufacturer; its service holds three packs of one lot."""

    name: str
    gln: str
    gtin: str
    lot: str

    def pack(self, serial: str) -> dict[str, str]:
        """As it is scanned."""
        return {"gtin": self.gtin, "serial": serial, "lot": self.lot, "expiry": EXPIRY}


ALDER = Maker("Alder Pharma", checked("031234100001"), checked("0031234100001"), "A/17")
BIRCH = Maker("Birch Labs", checked("031234200001"), checked("0031234200001"), "B204")
CEDAR = Maker("Cedar Generics", checked("031234300001"), checked("0031234300001"), "C9")
DOGWOOD = Maker("Dogwood (in no directory)", checked("031234400001"), checked("0031234400001"), "D1")
SCANS = (
    # maker   serial   resale      code
    (ALDER,   "A-1",   "yes",      "ok"),
    (ALDER,   "A-999", "no",       "mismatch"),
    (BIRCH,   "B-1",   "no",       "recalled"),
    (CEDAR,   "C-1",   "pending",  "no_answer"),
    (DOGWOOD, "D-1",   "pending",  "unknown_gtin"),
)  # fmt: skip
TOTALS = {"scanned": 5, "saleable": 1, "refused": 2, "pending": 2}


def network(folder: Path, console: Console) -> None:
    """Ask about five packs, and close the session.

    Raises:
        DemoFailed: something did not come out as it must.
    """
    with ExitStack() as stack:
        makers = {maker: stack.enter_context(manufacturer(folder, maker)) for maker in (ALDER, BIRCH)}
        makers[CEDAR] = stack.enter_context(confused()), None
        desk = Place(folder / "desk", REQUESTOR_FILE=str(requestor_file(folder, makers.values())))
        stack.enter_context(desk.serving("--workers", "1"))
        entries = [{"gtin": maker.gtin, "url": url} for maker, (url, _) in makers.items()]
        taken = desk.command("vrs", "directory", "import", str(csv_of(folder / "directory.csv", entries)))
        expect("directory", taken, {"taken": len(entries), "rejected": 0})
        returned(desk, desk.client("wholesaler", DESK_GLN, "wholesaler", "US", "returns"), console)


Told = tuple[str, tuple[str, str] | None]


@contextmanager
def manufacturer(folder: Path, maker: Maker) -> Iterator[Told]:
    """A service of its own with the maker's packs; its address, and a client for the desk."""
    place = Place(folder / maker.name.split()[0].lower(), RESPONDER_GLN=maker.gln)
    more = {"name": "Painaway", "manufacturer_gln": maker.gln}
    packs = [maker.pack(f"{maker.name[0]}-{number}") | more for number in (1, 2, 3)]
    with place.serving("--workers", "1"):
        file = csv_of(place.folder / "packs.csv", packs)
        loaded = place.command("load", "--json", "--profile", "us_dscsa", str(file))
        expect(f"packs of {maker.name}", loaded["loaded"], len(packs))
        if maker is BIRCH:
            own = place.client(maker.name, maker.gln, "manufacturer", "US", "recalls:write")
            body = {"gtin": maker.gtin, "lot": maker.lot, "reason": "cracked ampoules"}
            expect("recall", place.api(own, "/v1/batches/recall", body).get("status"), "recalled")
        yield place.address, place.client("wholesaler", DESK_GLN, "wholesaler", "US", "vrs")


@contextmanager
def confused() -> Iterator[str]:
    """A service whose answers carry the id of another question; its address."""
    wrong = {
        "verificationTimestamp": "2026-01-01T00:00:00.000Z",
        "responderGLN": CEDAR.gln,
        "corrUUID": "00000000-0000-4000-8000-000000000000",
        "data": {"verified": True},
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(wrong).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing on stderr."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def requestor_file(folder: Path, told: Any) -> Path:
    """How the desk's service asks: on this machine, with a client's secret at each manufacturer."""
    credentials = {
        url: {"token_url": f"{url}/oauth/token", "client_id": client[0], "client_secret": client[1],
              "scope": "vrs"}
        for url, client in told if client is not None
    }  # fmt: skip
    file = folder / "requestor.json"
    file.write_text(json.dumps({"loopback": True, "credentials": credentials}))
    return file


def returned(desk: Place, client: tuple[str, str], console: Console) -> None:
    """One return: open, scan, close."""
    opened = desk.api(client, "/v1/returns/sessions", {
        "reference": "RMA-2026-0815", "counterparty_gln": "4012345000016", "transaction_data": "yes"
    })  # fmt: skip
    session = f"/v1/returns/sessions/{opened['id']}"
    scans = [maker.pack(serial) | {"idempotency_key": f"scan-{serial}"} for maker, serial, _, _ in SCANS]
    told = desk.api(client, f"{session}/scans", {"scans": scans})["results"]
    table = Table("pack", "made by", "resale", "what the person reads", box=None, padding=(0, 2, 0, 3))
    for (maker, serial, resale, code), answer in zip(SCANS, told, strict=True):
        expect(f"pack {serial}", (answer.get("resale"), answer.get("code")), (resale, code))
        table.add_row(serial, maker.name, f"[{LOOK[resale]}]{resale}[/]", answer["title"])
    console.print(table)
    summary = desk.api(client, f"{session}/close", {})
    read = jws.deserialize_compact(summary["jws"], KeySet.import_key_set(desk.keys()), algorithms=["ES256"])  # type: ignore[arg-type]
    totals = json.loads(read.payload)["totals"]
    expect("totals in the signed summary", {name: totals[name] for name in TOTALS}, TOTALS)
    console.print(f"   Closed, and the signature checked: {', '.join(f'{v} {k}' for k, v in TOTALS.items())}")


def csv_of(path: Path, rows: list[dict[str, str]]) -> Path:
    """A file with these rows."""
    with path.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.DictWriter(opened, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def expect(what: str, found: Any, wanted: Any) -> None:
    """Stop when it is not so."""
    if found != wanted:
        raise DemoFailed(f"{what}: {found!r} where {wanted!r} was due")
