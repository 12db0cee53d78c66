"""A service that asks the network: with a requestor's file, and a directory that is filled by hand."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import text
from werkzeug.serving import make_server
from world import Person, World, new_world

from verifier.domain.directory import Entry, read_entry
from verifier.domain.expiry import parse_expiry
from verifier.settings import Settings

QUICK = {"seconds": 3.0, "try_seconds": 1.0, "tries": 2, "loopback": True, "breaker_failures": 1000}


def asking_world(folder: Path, database_url: str, **requestor: Any) -> World:
    """The whole service in this process, without its cache."""
    file = folder / "requestor.json"
    file.write_text(json.dumps(QUICK | requestor))
    return new_world(
        Settings(
            home=folder,
            database_url=database_url,
            cache_mode="off",
            issuer="http://localhost",
            open_routes=True,
            requestor_file=file,
        )
    )


@contextmanager
def served(world: World, port: int = 0) -> Iterator[str]:
    """That service on a port of the loopback, as long as the block lasts."""
    server = make_server("127.0.0.1", port, world.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def enter(world: World, gtin: str, url: str, **more: Any) -> None:
    """An entry of the directory."""
    entry = read_entry({"gtin": gtin, "url": url} | more, loopback=True)
    assert isinstance(entry, Entry), entry
    assert world.service.ports.vrs.directory.put([entry]) == [None]


def foreign(world: World, **more: Any) -> dict[str, str]:
    """A pack that is not in our repository."""
    return world.pack(stored=False) | more


def exp(pack: dict[str, str]) -> str:
    expiry = parse_expiry(pack["expiry"], today=date(2026, 11, 21))
    assert expiry is not None
    return expiry.yymmdd()


def known(pack: dict[str, str], **data: Any) -> dict[str, Any]:
    """As a responder holds it."""
    return {name: pack[name] for name in ("gtin", "serial", "lot")} | {"exp": exp(pack), "data": data}


def ask(who: Person, pack: dict[str, str], **more: Any) -> dict[str, Any]:
    answer = who.post("/v1/vrs/verify", pack | more, key=None)
    assert answer.status_code == 200, answer.text
    return answer.json


def rows(world: World, statement: str, **values: Any) -> list[dict[str, Any]]:
    with world.service.engine.connect() as connection:
        return [dict(row) for row in connection.execute(text(statement), values).mappings()]


def alerts(who: Person, pack: dict[str, str]) -> list[dict[str, Any]]:
    return [
        a for a in who.get("/v1/alerts", gtin=pack["gtin"]).json["alerts"] if a["serial"] == pack["serial"]
    ]


def pending(who: Person, pack: dict[str, str]) -> dict[str, Any] | None:
    told = who.get("/v1/vrs/pending").json["pending"]
    return next((item for item in told if item["serial"] == pack["serial"]), None)
