"""Packs into a real database: a pack that is there is never changed, whatever a file says."""

import signal
import threading
import time
from itertools import product as every

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loading import HEADER, Desk, many, new_gtin
from sqlalchemy import text
from world import World

from verifier.domain.load import LoadResult, PackRow
from verifier.domain.ppn import ppn_to_ntin
from verifier.storage import loader
from verifier.storage.loader import Loader

PPN, NTIN = "111234567842", "04150123456782"


@pytest.fixture
def desk(engine, tmp_path):
    return Desk(engine, tmp_path)


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(loader, "CHUNK", 3)


def ppn_of(pzn: str) -> str:
    """The PPN of seven digits, with the check digits of PZN (modulo 11) and PPN (modulo 97)."""
    check = sum(int(digit) * weight for weight, digit in enumerate(pzn, start=1)) % 11
    payload = f"11{pzn}{check}"
    return f"{payload}{sum(ord(char) * weight for weight, char in enumerate(payload, start=2)) % 97:02}"


# What a file leaves behind.


def test_rows_become_packs_batches_and_products(desk):
    gtin = new_gtin()
    header = f"{HEADER},name,strength,form,pack_size,manufacturer_gln"
    product = "Painaway,500 mg,tablet,20,4000001000005"
    result = desk.load(f"{gtin},S1,L1,2027-12-31,{product}", f"{gtin},S2,L2,271200,{product}", header=header)
    assert result == "2/2/0/0"
    assert desk.packs(gtin) == [
        ("S1", "L1", 20271231, None, "active", 0, None),
        ("S2", "L2", 20271200, None, "active", 0, None),
    ]
    assert desk.stored("batches", gtin, "lot, recalled, on_hold") == [
        ("L1", False, False),
        ("L2", False, False),
    ]
    columns = "profile, name, strength, form, pack_size, manufacturer_gln, withdrawn"
    assert desk.stored("products", gtin, columns) == [("eu_fmd", *product.split(","), False)]


def test_new_products_get_the_profile_that_was_asked_for_and_known_ones_keep_theirs(desk):
    gtin = new_gtin()
    desk.load(f"{gtin},S1,L,271231", profile="us_dscsa")
    desk.load(f"{gtin},S2,L,271231,Other", header=f"{HEADER},name", profile="eu_fmd")
    assert desk.stored("products", gtin, "profile, name") == [("us_dscsa", None)]


def test_an_sscc_is_kept_with_its_pack(desk):
    gtin = new_gtin()
    desk.load(f"{gtin},S1,L,271231,340123450000000000", header=f"{HEADER},sscc")
    assert desk.packs(gtin)[0][3] == "340123450000000000"


def test_a_lot_that_was_recalled_before_its_packs_came_stays_recalled(desk):
    gtin = new_gtin()
    desk.run("INSERT INTO batches (gtin, lot, recalled) VALUES (:gtin, 'L', true)", gtin=int(gtin))
    assert desk.load(f"{gtin},S1,L,271231") == "1/1/0/0"
    assert desk.stored("batches", gtin, "lot, recalled") == [("L", True)]


# What is there already.


@pytest.mark.usefixtures("small_chunks")
def test_the_same_file_twice_changes_nothing(desk):
    gtin = new_gtin()
    rows = [f"{gtin},S{number},L{number % 2},271231" for number in range(10)]
    assert desk.load(*rows) == "10/10/0/0"
    before = [desk.stored(table, gtin) for table in ("packs", "batches", "products")]
    assert desk.load(*rows) == "10/0/10/0"
    assert [desk.stored(table, gtin) for table in ("packs", "batches", "products")] == before


@pytest.mark.parametrize(
    "differing",
    [
        "S1,OTHER,271231,",
        "S1,L,271230,",
        "S1,L,271200,",
        "S1,OTHER,280101,",
        "S1,L,271231,340123450000000000",
    ],
)
def test_a_row_that_differs_from_the_stored_pack_is_rejected_and_the_pack_unchanged(desk, differing):
    gtin = new_gtin()
    desk.load(f"{gtin},S1,L,271231,", header=f"{HEADER},sscc")
    before = desk.stored("packs", gtin)
    assert desk.load(f"{gtin},{differing}", f"{gtin},S2,L,271231,", header=f"{HEADER},sscc") == "2/1/0/1"
    assert desk.stored("packs", gtin)[0] == before[0]
    (line,) = desk.rejected
    assert line.startswith('2,"a pack with this serial exists with another lot, expiry or SSCC')
    assert line.endswith(f",{gtin},{differing}")


def test_a_row_without_an_sscc_is_no_contradiction_to_a_pack_that_has_one(desk):
    gtin = new_gtin()
    desk.load(f"{gtin},S1,L,271231,340123450000000000", header=f"{HEADER},sscc")
    assert desk.load(f"{gtin},S1,L,271231") == "1/0/1/0"
    assert desk.packs(gtin)[0][3] == "340123450000000000"


def test_a_pack_that_was_dispensed_stays_dispensed_when_its_file_comes_again(desk):
    gtin = new_gtin()
    desk.load(f"{gtin},S1,L,271231")
    desk.run("UPDATE packs SET state = 'dispensed', version = 1 WHERE gtin = :gtin", gtin=int(gtin))
    before = desk.stored("packs", gtin)
    assert desk.load(f"{gtin},S1,L,271231") == "1/0/1/0"
    assert desk.stored("packs", gtin) == before


@pytest.mark.parametrize("chunk", [1, 2, 100])
def test_of_duplicates_in_one_file_the_first_counts(desk, monkeypatch, chunk):
    monkeypatch.setattr(loader, "CHUNK", chunk)
    gtin = new_gtin()
    rows = [f"{gtin},S1,L,271231", f"{gtin},S1,OTHER,271231", f"{gtin},S1,L,271231", f"{gtin},s1,L,271231"]
    assert desk.load(*rows) == "4/2/1/1"
    assert [pack[:2] for pack in desk.packs(gtin)] == [("S1", "L"), ("s1", "L")]
    assert [line[:2] for line in desk.rejected] == ["3,"]


def test_rejected_rows_stand_in_the_order_of_the_file_with_their_cells(desk):
    gtin = new_gtin()
    desk.load(f"{gtin},S1,L,271231")
    desk.load("271231,OTHER,S1," + gtin, "271231,L,S 2," + gtin, "x", "2", header="expiry,lot,serial,gtin")
    assert [line.split(",")[0] for line in desk.rejected] == ["2", "3", "4", "5"]
    assert desk.rejected[0].endswith(f"271231,OTHER,S1,{gtin}")


# PPN.


def test_a_row_by_ppn_belongs_to_the_product_that_has_it(desk):
    gtin, ppn = new_gtin(), ppn_of("0375286")
    ntin = ppn_to_ntin(ppn)
    desk.load(f"{gtin},S1,L,271231,{ppn}", header=f"{HEADER},ppn")
    assert desk.load(f"{ppn},S2,L,271231", header="ppn,serial,lot,expiry") == "1/1/0/0"
    assert desk.load(f"{ntin},S3,L,271231") == "1/1/0/0"
    assert [pack[0] for pack in desk.packs(gtin)] == ["S1", "S2", "S3"]
    assert desk.packs(ntin) == []


def test_a_row_by_ppn_of_a_new_product_makes_it_under_its_ntin(desk):
    assert desk.load(f"{PPN},S1,L,271231", header="ppn,serial,lot,expiry") == "1/1/0/0"
    assert desk.load(f"{NTIN},S1,L,271231") == "1/0/1/0"
    assert desk.stored("products", NTIN, "ppn, gtin") == [(PPN, int(NTIN))]
    stranger = new_gtin()
    assert desk.load(f"{stranger},S2,L,271231,{PPN}", header=f"{HEADER},ppn") == "1/0/0/1"
    assert f"the ppn belongs to the product with the GTIN {NTIN}" in desk.rejected[0]
    assert desk.packs(stranger) == []
    assert desk.stored("products", stranger) == []


def test_a_ppn_that_belongs_to_a_product_with_another_gtin_is_rejected_for_new_and_known_products(desk):
    ppn, another = ppn_of("0800000"), ppn_of("0200000")
    owner, stranger, known = new_gtin(), new_gtin(), new_gtin()
    desk.load(f"{owner},S1,L,271231,{ppn}", header=f"{HEADER},ppn")
    desk.load(f"{known},S1,L,271231")
    for gtin in (stranger, known):
        assert desk.load(f"{gtin},S2,L,271231,{ppn}", header=f"{HEADER},ppn") == "1/0/0/1"
        assert f"the ppn belongs to the product with the GTIN {owner}" in desk.rejected[0]
    assert desk.load(f"{owner},S2,L,271231,{another}", header=f"{HEADER},ppn") == "1/0/0/1"
    assert "the product with this gtin has another ppn" in desk.rejected[0]
    assert len(desk.packs(owner)) == len(desk.packs(known)) == 1


# A dry run.


@pytest.mark.parametrize("chunk", [2, 100])
def test_a_dry_run_tells_the_same_and_keeps_nothing(desk, monkeypatch, chunk):
    monkeypatch.setattr(loader, "CHUNK", chunk)
    known, new = new_gtin(), new_gtin()
    desk.load(f"{known},S1,L,271231")
    rows = [
        f"{known},S1,L,271231", f"{known},S1,X,271231", f"{known},S2,L,271231", f"{new},S1,L,271231",
        f"{new},S1,L,271231", f"{new},S1,L,280101", f"{new},S2,L9,271231", "bad",
    ]  # fmt: skip
    before = [desk.stored(table, gtin) for table in ("packs", "batches", "products") for gtin in (known, new)]
    assert desk.load(*rows, dry_run=True) == "8/3/2/3"
    told = desk.rejected
    after = [desk.stored(table, gtin) for table in ("packs", "batches", "products") for gtin in (known, new)]
    assert after == before
    assert desk.load(*rows) == "8/3/2/3"
    assert desk.rejected == told


def test_nobody_waits_for_a_dry_run(desk):
    """It may run for an hour over a file with the very batch that is to be recalled now."""
    gtin = new_gtin()

    def rows():
        yield PackRow(2, gtin, "S1", "L", 20271231, None, ())
        desk.run(
            "SET LOCAL lock_timeout = 1; INSERT INTO batches (gtin, lot, recalled) VALUES (:g, 'L', true);"
            "INSERT INTO products (gtin, profile) VALUES (:g, 'eu_fmd')".replace(":g", str(int(gtin)))
        )
        yield PackRow(3, gtin, "S2", "L", 20271231, None, ())

    loader.CHUNK, chunk = 1, loader.CHUNK
    try:
        told = Loader(desk.engine, "eu_fmd").load(rows(), dry_run=True, reject=print, progress=print)
    finally:
        loader.CHUNK = chunk
    assert told == LoadResult(2, 2, 0, 0)
    assert desk.stored("batches", gtin, "lot, recalled") == [("L", True)]


# Many rows, many loads.

ROWS = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 4), st.integers(0, 1), st.integers(0, 1)), max_size=14
)


@pytest.mark.usefixtures("small_chunks")
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS, ROWS)
def test_whatever_the_files_say_the_first_row_of_a_pack_is_the_pack(desk, first, second):
    gtins = (new_gtin(), new_gtin())
    stored: dict[tuple[int, int], tuple[int, int]] = {}
    for rows in (first, second):
        wanted = {"loaded": 0, "skipped": 0, "rejected": 0}
        for gtin, serial, lot, day in rows:
            known = stored.get((gtin, serial))
            stored.setdefault((gtin, serial), (lot, day))
            wanted["loaded" if known is None else "skipped" if known == (lot, day) else "rejected"] += 1
        lines = [f"{gtins[g]},S{s},L{lot},2027-12-0{day + 1}" for g, s, lot, day in rows]
        assert desk.load(*lines) == "/".join(map(str, (len(rows), *wanted.values())))
    for number, gtin in enumerate(gtins):
        expected = [
            (f"S{s}", f"L{lot}", 20271201 + day)
            for (g, s), (lot, day) in sorted(stored.items())
            if g == number
        ]
        assert [pack[:3] for pack in desk.packs(gtin)] == expected


def test_two_loads_of_the_same_packs_in_opposite_order_both_finish(desk, monkeypatch):
    monkeypatch.setattr(loader, "CHUNK", 200)
    gtin = new_gtin()
    rows = [
        PackRow(number, gtin, f"S{number}", f"L{number % 7}", 20271231, None, ()) for number in range(4000)
    ]
    results = []

    def load(mine):
        told = Loader(desk.engine, "eu_fmd").load(
            mine, dry_run=False, reject=results.append, progress=lambda _: None
        )
        results.append(told)

    threads = [threading.Thread(target=load, args=(mine,)) for mine in (rows, rows[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first, second = results
    assert first.loaded + second.loaded == 4000
    assert first.skipped + second.skipped == 4000
    assert len(desk.packs(gtin)) == 4000


def test_the_settings_of_a_load_are_not_for_anybody_else(desk):
    desk.load(f"{new_gtin()},S1,L,271231")
    with desk.engine.connect() as connection:
        for name, value in (("lock_timeout", "2s"), ("statement_timeout", "5s"), ("enable_hashjoin", "on")):
            assert connection.execute(text(f"SHOW {name}")).scalar_one() == value


def test_a_load_that_breaks_off_leaves_whole_chunks_and_goes_on_when_it_is_started_again(desk):
    """`kill -9` in the middle of it."""
    gtin, count = new_gtin(), 120_000
    path = desk.file(*many(count, gtin))
    query = text("SELECT count(*) FROM packs WHERE gtin = :gtin")

    def stored() -> int:
        with desk.engine.connect() as connection:
            return connection.execute(query, {"gtin": int(gtin)}).scalar_one()

    process = desk.command(path)
    while stored() == 0:
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    left = stored()
    assert 0 < left < count
    assert left % loader.CHUNK == 0
    again = desk.command(path, "--json")
    out, _ = again.communicate()
    assert again.returncode == 0
    assert f'"loaded": {count - left}, "skipped": {left}, "rejected": 0' in out
    assert stored() == count


def test_the_memory_of_a_load_does_not_grow_with_the_file(desk):
    gtin = new_gtin()
    one_chunk = desk.peak(desk.file(*many(loader.CHUNK, gtin), name="small.csv"))
    fifteen = desk.peak(desk.file(*many(15 * loader.CHUNK, gtin), name="large.csv"))
    assert fifteen < one_chunk + 24
    assert len(desk.packs(gtin)) == 15 * loader.CHUNK


def test_products_with_a_name_of_their_own_in_each_row_do_not_fill_the_memory(desk, monkeypatch):
    monkeypatch.setattr(loader, "REMEMBERED", 2)
    gtins = [new_gtin() for _ in range(4)]
    rows = [f"{gtin},S{number},L,271231,Name {number}" for number, gtin in every(range(3), gtins)]
    assert desk.load(*rows, header=f"{HEADER},name") == "12/12/0/0"
    assert [desk.stored("products", gtin, "name, gtin")[0][0] for gtin in gtins] == ["Name 0"] * 4


# Seen by the service at once.


def test_what_was_unknown_a_moment_ago_is_known_once_it_is_loaded(world: World):
    pack = world.pack(stored=False)
    desk = world.corner_pharmacy
    assert desk.verify(pack)["code"] == "unknown_product"
    world.load(pack)
    assert desk.verify(pack)["code"] == "ok"
    sister = world.pack(gtin=pack["gtin"], lot="LOT2", stored=False)
    assert desk.verify(sister)["code"] == "unknown_batch"
    world.load(sister)
    assert desk.verify(sister)["code"] == "ok"
    assert desk.dispense(sister)["accepted"]
