"""/metrics after a known sequence of scans and faults."""

import re
from collections.abc import Callable, Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoFreeConnection
from world import World

from verifier import __version__
from verifier.api.problems import database_problem
from verifier.storage.errors import KINDS, kind_of

Reading = Callable[..., float]


@pytest.fixture
def page(world: World) -> Callable[[], dict[tuple[str, frozenset[tuple[str, str]]], float]]:
    def read() -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        families = text_string_to_metric_families(world.http.get("/metrics").text)
        samples = [sample for family in families for sample in family.samples]
        return {(sample.name, frozenset(sample.labels.items())): sample.value for sample in samples}

    return read


@pytest.fixture
def grown(page: Callable[[], dict]) -> Iterator[Reading]:
    """How much a series has grown since the test began."""
    before = page()

    def by(name: str, **labels: str) -> float:
        key = name, frozenset(labels.items())
        return page().get(key, 0.0) - before.get(key, 0.0)

    return by


def test_scans_and_alerts_are_counted_by_what_they_came_to(world: World, grown: Reading):
    pharmacy, pack = world.corner_pharmacy, world.pack()
    pharmacy.verify(pack)
    pharmacy.verify(pack)
    pharmacy.dispense(pack)
    world.other_pharmacy.dispense(pack)
    pharmacy.verify(pack | {"serial": world.serial()})
    assert grown("verifier_scans_total", operation="verify", code="ok") == 2
    assert grown("verifier_scans_total", operation="dispense", code="ok") == 1
    assert grown("verifier_scans_total", operation="dispense", code="already_dispensed") == 1
    assert grown("verifier_alerts_total", code="A7") == 1
    assert grown("verifier_alerts_total", code="A3") == 1
    assert grown("verifier_scan_seconds_count", operation="verify", signal="green") == 2
    assert grown("verifier_scan_seconds_count", operation="verify", signal="red") == 1
    assert grown("verifier_scan_seconds_count", operation="dispense", signal="red") == 1
    assert grown("verifier_scan_seconds_sum", operation="dispense", signal="green") > 0
    assert grown("verifier_scan_seconds_bucket", operation="verify", signal="green", le="+Inf") == 2


def test_the_response_time_of_the_regulation_is_a_bucket(world: World, page: Callable[[], dict]):
    world.corner_pharmacy.verify(world.pack())
    bounds = {dict(labels)["le"] for name, labels in page() if name == "verifier_scan_seconds_bucket"}
    assert "0.3" in bounds, "Art. 35(1)(f)"


def test_a_replay_is_no_second_scan(world: World, grown: Reading):
    pharmacy, pack = world.corner_pharmacy, world.pack()
    for _ in range(3):
        assert pharmacy.post("/v1/dispense", pack, key="once and for all").status_code == 200
    assert grown("verifier_scans_total", operation="dispense", code="ok") == 1
    assert grown("verifier_scan_seconds_count", operation="dispense", signal="green") == 1


def test_the_items_of_a_bulk_request_are_scans_but_no_response_times(world: World, grown: Reading):
    items = [world.pack() | {"operation": "verify"} for _ in range(3)]
    assert world.corner_pharmacy.post("/v1/bulk", {"items": items}, key=None).status_code == 200
    assert grown("verifier_scans_total", operation="verify", code="ok") == 3
    assert grown("verifier_scan_seconds_count", operation="verify", signal="green") == 0


def test_an_error_of_the_database_is_counted_by_its_kind(world: World, grown: Reading):
    def fails(statement: str) -> None:
        def work(connection: Connection) -> None:
            connection.execute(text(statement))

        with pytest.raises(SQLAlchemyError), world.service.engine.connect() as connection:
            work(connection)

    fails("SELECT pg_terminate_backend(pg_backend_pid())")
    fails("SET statement_timeout = 1; SELECT pg_sleep(1)")
    fails("SELECT * FROM no_such_table")
    assert grown("verifier_database_errors_total", kind="shutdown") == 1
    assert grown("verifier_database_errors_total", kind="timeout") == 1
    assert grown("verifier_database_errors_total", kind="schema") == 1
    with world.app.app_context():
        database_problem(NoFreeConnection())
    assert grown("verifier_database_errors_total", kind="no_free_connection") == 1


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        *KINDS.items(),
        ("57P03", "shutdown"),
        ("40001", "serialization"),
        ("22001", "other"),
        (None, "connection"),
    ],
)
def test_a_kind_is_known_by_its_sqlstate(state: str | None, kind: str):
    error = Exception()
    error.sqlstate = state  # type: ignore[attr-defined]
    assert kind_of(error) == kind


def test_connections_in_use_are_those_that_somebody_holds_now(world: World, page: Callable[[], dict]):
    name = "verifier_database_pool_in_use", frozenset[tuple[str, str]]()
    world.service.spool.ship()  # whose thread takes one while records wait
    with world.service.engine.connect(), world.service.engine.connect():
        assert page()[name] == 2
    assert page()[name] == 0


def test_records_wait_in_the_spool_until_they_are_shipped(
    world: World, page: Callable[[], dict], monkeypatch: pytest.MonkeyPatch
):
    name = "verifier_scan_spool_waiting_bytes", frozenset[tuple[str, str]]()
    spool = world.service.spool
    with monkeypatch.context() as held:
        held.setattr(spool, "_move", lambda _file: None)
        world.corner_pharmacy.verify(world.pack())
        assert page()[name] > 100
    spool.ship()
    assert page()[name] == 0


def test_the_switch_of_the_cache_and_its_breaker_are_shown(world: World, page: Callable[[], dict]):
    fast = world.service.settings.cache_mode == "fast"
    world.service.control.refresh()
    assert page()["verifier_cache_switch_on", frozenset()] == fast
    assert page()["verifier_cache_breaker_open", frozenset()] == 0


def test_what_runs_here_is_told(page: Callable[[], dict]):
    builds = [dict(labels) for name, labels in page() if name == "verifier_build_info"]
    assert [build["version"] for build in builds] == [__version__]
    assert re.fullmatch(r"3\.1\d\.\d+", builds[0]["python"])


def test_no_label_names_a_pack_or_a_place(world: World, page: Callable[[], dict]):
    pack = world.pack()
    world.corner_pharmacy.verify(pack)
    world.corner_pharmacy.get(f"/v1/events/{pack['serial']}")
    world.corner_pharmacy.get("/v1/packs", **pack)
    values = {value for _, labels in page() for _, value in labels}
    told = {pack["gtin"], pack["serial"], pack["lot"], world.corner_pharmacy.site.gln}
    assert not any(secret in value for value in values for secret in told)


def test_a_request_that_is_refused_before_a_verdict_is_no_scan(world: World, grown: Reading):
    answer = world.corner_pharmacy.post("/v1/dispense", world.pack(), key=None)
    assert (answer.status_code, answer.json["code"]) == (400, "idempotency_key_required")
    assert grown("verifier_scans_total", operation="dispense", code="ok") == 0
    assert grown("verifier_scan_seconds_count", operation="dispense", signal="green") == 0
