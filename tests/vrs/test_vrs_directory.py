"""The look-up directory: spans that never overlap, files that go in and out, changes that are pulled."""

import io
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError
from vrs_world import asking_world, enter
from world import World

from verifier.cli.main import main
from verifier.domain.directory import FIRST, LAST, Entry, choose, overlap, read_entry
from verifier.domain.expiry import Expiry
from verifier.formats import directory as files
from verifier.storage.directory import Directory

GTIN, OTHER = "00361414567894", "05012345678900"
NOT_HTTPS = "url must be https, or http on this machine where the requestor's file says loopback"
URL = "https://vrs.example/lms"
EARLY = Entry(GTIN, URL, FIRST, 20270630)
LATE = Entry(GTIN, "https://new.example", 20270701, LAST)


@pytest.fixture
def held(engine: Engine) -> Directory:
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE vrs_directory"))
    return Directory(engine, engine.execution_options(isolation_level="AUTOCOMMIT"))


@pytest.mark.parametrize(
    ("expiry", "chosen"),
    [
        (Expiry(2027, 6, 30), EARLY),
        (Expiry(2027, 6, 0), EARLY),
        (Expiry(2027, 7, 1), LATE),
        (Expiry(1999, 1, 1), EARLY),
        (Expiry(2060, 12, 0), LATE),
    ],
)
def test_the_expiry_date_of_the_pack_chooses_with_day_00_as_the_months_last(expiry, chosen):
    assert choose([EARLY, LATE], expiry) == chosen


def test_an_entry_that_was_removed_is_not_chosen():
    assert choose([Entry(GTIN, URL, removed=True)], Expiry(2027, 1, 1)) is None


@pytest.mark.parametrize(
    ("start", "end", "stands"),
    [
        (20270701, LAST, False),
        (20270630, LAST, True),
        (20260101, 20260201, True),
        (FIRST, LAST, False),  # the same start: it replaces the one that is there
    ],
)
def test_a_span_that_overlaps_another_is_refused(held: Directory, start: int, end: int, stands: bool):  # noqa: FBT001
    assert held.put([EARLY]) == [None]
    [told] = held.put([Entry(GTIN, "https://new.example", start, end)])
    assert (told is not None) is stands
    if told is not None:
        assert "overlaps" in told
        assert URL in told
        assert "2027-06-30" in told


def test_the_database_itself_refuses_an_overlap(engine: Engine, held: Directory):
    held.put([EARLY])
    insert = text(
        "INSERT INTO vrs_directory (gtin, start_exp, end_exp, url, updated_at)"
        " VALUES (:gtin, 20270101, 20271231, 'https://x.example', now())"
    )
    with pytest.raises(IntegrityError, match="ex_vrs_directory_span"), engine.begin() as connection:
        connection.execute(insert, {"gtin": int(GTIN)})
    with engine.begin() as connection:
        connection.execute(insert, {"gtin": int(OTHER)})


def test_of_two_writers_at_once_one_is_refused(held: Directory):
    told: list[Any] = []
    entries = [Entry(GTIN, URL, 20270101 + number, 20271231) for number in range(8)]
    threads = [threading.Thread(target=lambda e=e: told.extend(held.put([e]))) for e in entries]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(each is None for each in told) == 1
    assert len(held.entries(GTIN)) == 1


def test_a_span_can_be_cut_and_the_rest_given_to_another(held: Directory):
    assert held.put([Entry(GTIN, URL)]) == [None]
    assert held.put([EARLY, LATE]) == [None, None]
    assert [entry.url for entry in held.entries(GTIN)] == [EARLY.url, LATE.url]
    assert held.put([Entry(GTIN, URL, FIRST, 20270630, removed=True), Entry(GTIN, URL, 1, 20270630)]) == [
        None,
        None,
    ]
    assert len(held.entries(GTIN)) == 2


def test_of_the_same_span_twice_in_a_file_the_last_line_counts(held: Directory):
    gone = Entry(GTIN, URL, EARLY.start, EARLY.end, removed=True)
    assert held.put([EARLY, gone]) == [None, None]
    assert held.entries(GTIN) == []
    assert held.put([gone, EARLY]) == [None, None]
    assert len(held.entries(GTIN)) == 1


def test_a_copy_follows_when_one_service_takes_the_place_of_several(engine: Engine, held: Directory):
    assert held.put([EARLY, LATE]) == [None, None]
    whole = Entry(GTIN, "https://third.example")
    gone = Entry(GTIN, LATE.url, LATE.start, LATE.end, removed=True)
    assert held.put([whole, gone]) == [None, None]
    told = list(held.changes(None, None, 100))
    assert [(entry.url, entry.removed) for entry in told] == [(LATE.url, True), (whole.url, False)]
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE vrs_directory"))
    assert held.put([EARLY, LATE]) == [None, None]
    assert held.put([replace(entry, updated_at=None) for entry in told]) == [None, None]
    assert [entry.url for entry in held.entries(GTIN)] == [whole.url]


days = st.dates(date(2026, 1, 1), date(2026, 3, 1)).map(lambda day: int(day.strftime("%Y%m%d")))
spans = st.tuples(days, days).map(sorted)


@given(st.lists(spans, max_size=8))
@settings(max_examples=60)
def test_whatever_is_put_in_a_date_has_one_entry_at_most(wanted):
    held: dict[int, Entry] = {}
    for start, end in wanted:
        new = Entry(GTIN, URL, start, end)
        if overlap(held.values(), new) is None:
            held[start] = new
    for number in range(60):
        day = date(2026, 1, 1) + timedelta(days=number)
        expiry = Expiry(day.year, day.month, day.day)
        assert sum(entry.covers(expiry) for entry in held.values()) <= 1


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"gtin": ""}, "gtin is missing"),
        ({"gtin": "00361414567895"}, "check digit"),
        ({"url": ""}, "url"),
        ({"url": "http://vrs.example"}, "https"),
        ({"url": "ftp://vrs.example"}, "https"),
        ({"url": "https://user:secret@vrs.example"}, "credentials"),
        ({"url": "https://vrs.example?x=1"}, "query"),
        ({"url": "https://vrs.example#x"}, "query"),
        ({"url": "https://vrs.example:x"}, "address"),
        ({"url": "https://v rs.example"}, "address"),
        ({"url": "https://vrs.example/" + "x" * 500}, "500"),
        ({"url": "https://vrs.example/lms/../evil"}, "step"),
        ({"url": "https://vrs.example/lms/.."}, "step"),
        ({"url": "https://vrs.example/./lms"}, "step"),
        ({"url": "https://vrs.example/lms/%2e%2E/evil"}, "step"),
        ({"url": "https://vrs.example/lms/.%2e;x/evil"}, "step"),
        ({"url": "https://vrs.example/lms/..%2fevil"}, "step"),
        ({"url": "https://vrs.example/lms/..%5Cevil"}, "step"),
        ({"url": "https://vrs.example/lms\\..\\evil"}, "step"),
        ({"url": "https://vrs.example\\evil/lms"}, "step"),
        ({"url": "https://vrs.example/lms//evil"}, "step"),
        ({"start_exp_date": "2027-02-30"}, "start_exp_date"),
        ({"end_exp_date": "270630"}, "end_exp_date"),
        ({"start_exp_date": "2027-07-01", "end_exp_date": "2027-06-30"}, "after"),
        ({"owner_gln": "4012345000017"}, "owner_gln"),
        ({"contact": "x" * 201}, "contact"),
        ({"contact": "a\nb"}, "contact"),
        ({"external": "perhaps"}, "external"),
        ({"password": "x"}, "unknown field password"),
        ({"gtin": 361414567894}, "must be text"),
    ],
)
def test_a_line_that_is_wrong_is_told_why(fields, wrong):
    told = read_entry({"gtin": GTIN, "url": URL} | fields)
    assert isinstance(told, str)
    assert wrong in told


def test_loopback_addresses_are_for_tests_only():
    fields = {"gtin": GTIN, "url": "http://127.0.0.1:8080"}
    assert read_entry(fields) == NOT_HTTPS
    assert isinstance(read_entry(fields, loopback=True), Entry)
    assert read_entry(fields | {"url": "http://10.0.0.1"}, loopback=True) == NOT_HTTPS


FULL = Entry(GTIN, URL, 20260101, 20270630, "4012345000016", 'Jo "J", +1', external=False, resolver=True)


@pytest.mark.parametrize("write", [files.write_json, files.write_csv])
def test_what_is_written_is_read_back(write):
    entries = [FULL, LATE, Entry(OTHER, URL, removed=True)]
    file = io.StringIO()
    write(entries, file)
    read = list(files.read(io.BytesIO(file.getvalue().encode())))
    assert [item[1] for item in read if isinstance(item, tuple)] == entries
    assert len(read) == 3


def test_one_bad_line_never_stops_the_rest():
    good = json.dumps({"gtin": GTIN, "url": URL})
    lines = [good, "{", "[]", '"x"', good.replace(GTIN, "1"), "", "\ufffd", "x" * 20_000, "[" * 9000, good]
    read = list(files.read(io.BytesIO("\n".join(lines).encode() + b"\n\xff\xfe\n" + good.encode())))
    assert [item[0] for item in read if isinstance(item, tuple)] == [1, 10, 12]
    assert [item.line for item in read if isinstance(item, files.BadLine)] == [2, 3, 4, 5, 7, 8, 9, 11]


def test_csv_may_have_semicolons_a_mark_and_empty_lines():
    text_ = f"\ufeffGTIN;URL;contact\n{GTIN};{URL};\n\n{OTHER};{URL}\n{OTHER};{URL};x\n"
    read = list(files.read(io.BytesIO(text_.encode())))
    assert [item[1].gtin for item in read if isinstance(item, tuple)] == [GTIN, OTHER]
    assert [item.line for item in read if isinstance(item, files.BadLine)] == [4]


@pytest.mark.parametrize("content", [b"", b"\n", b"a,b\n", b"gtin,gtin,url\n", b"\xff\xfe\n"])
def test_a_file_that_is_no_directory_is_refused_as_a_whole(content):
    with pytest.raises(files.UnreadableDirectory):
        list(files.read(io.BytesIO(content)))


@pytest.fixture(scope="module")
def world(new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = asking_world(tmp_path_factory.mktemp("home"), new_database())
    yield made
    made.service.close()


class TestServed:
    def pulled(self, world: World, **query: str) -> list[dict[str, Any]]:
        seen: list[dict[str, Any]] = []
        answer = world.operator.get("/v1/vrs/directory", **query)
        while True:
            assert answer.status_code == 200, answer.text
            seen += answer.json["entries"]
            following = answer.headers.get("Link", "").partition(">")[0].removeprefix("<")
            if not following:
                return seen
            answer = world.http.get(following, headers=world.operator.headers())

    def test_changes_are_pulled_page_by_page_removals_too(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr("verifier.api.vrs.PAGE", 2)
        gtins = [world.new_gtin() for _ in range(5)]
        for gtin in gtins:
            enter(world, gtin, URL)
        everything = self.pulled(world)
        assert [each["gtin"] for each in everything] == gtins
        newest = everything[-1]["updated_at"]
        assert [each["gtin"] for each in self.pulled(world, since=newest)] == gtins[-1:]
        enter(world, gtins[0], URL, removed=True)
        enter(world, gtins[1], URL)  # as it was: no change
        since = [(each["gtin"], each["removed"]) for each in self.pulled(world, since=newest)]
        assert since == [(gtins[-1], False), (gtins[0], True)]

    @pytest.mark.parametrize("since", ["yesterday", "2026-11-21", "2026-11-21T10:00:00"])
    def test_a_time_without_its_zone_is_refused(self, world: World, since: str):
        answer = world.operator.get("/v1/vrs/directory", since=since)
        assert (answer.status_code, list(answer.json["errors"])) == (422, ["since"])

    @pytest.mark.parametrize("cursor", ["x", "W10=", "WyJ4IiwieSIsInoiXQ==", "eyJ4IjoxfQ=="])
    def test_a_cursor_that_is_not_ours_is_refused(self, world: World, cursor: str):
        for path in ("/v1/vrs/directory", "/v1/vrs/pending"):
            answer = world.wholesaler.get(path, cursor=cursor)
            assert (answer.status_code, list(answer.json["errors"])) == (422, ["cursor"])


def test_the_command_takes_a_file_tells_wrong_lines_and_prints_what_it_took(
    new_database: Callable[[], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("VERIFIER_DATABASE_URL", new_database())
    file = tmp_path / "directory.csv"
    file.write_text(
        "gtin,url,start_exp_date,end_exp_date\n"
        f"{GTIN},{URL},,2027-06-30\n"
        f"{GTIN},{URL},2027-06-01,\n"
        f"{GTIN},http://vrs.example,2027-07-01,\n"
        f"{GTIN},https://new.example,2027-07-01,\n"
    )
    run = CliRunner().invoke(main, ["vrs", "directory", "import", str(file)])
    assert (run.exit_code, json.loads(run.stdout)) == (0, {"taken": 2, "rejected": 2})
    assert f"{file}:3: its span of expiry dates overlaps" in run.stderr
    assert f"{file}:4: url must be https" in run.stderr
    exported = CliRunner().invoke(main, ["vrs", "directory", "export"]).stdout
    assert [json.loads(line)["url"] for line in exported.splitlines()] == [URL, "https://new.example"]
    copy = tmp_path / "copy.csv"
    copy.write_text(CliRunner().invoke(main, ["vrs", "directory", "export", "--format", "csv"]).stdout)
    again = CliRunner().invoke(main, ["vrs", "directory", "import", str(copy)])
    assert json.loads(again.stdout) == {"taken": 2, "rejected": 0}
