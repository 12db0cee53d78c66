"""A file of packs as people really send it: every row becomes a pack or a reason, and none stops the rest."""

from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from verifier.domain.load import PackRow, RejectedRow
from verifier.formats import csv_packs
from verifier.formats.csv_packs import CsvPacks, UnreadableFile

TODAY = date(2026, 11, 21)
GTIN = "05012345678900"
HEADER = "gtin,serial,lot,expiry"
PPN, NTIN = "111234567842", "04150123456782"


@pytest.fixture
def read(tmp_path: Path):
    """Reads what a file with this text (or these bytes) gives, row by row."""

    def read(content: str | bytes) -> list[PackRow | RejectedRow]:
        path = tmp_path / "packs.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        packs = CsvPacks(path, today=TODAY)
        rows = list(packs)
        packs.close()
        return rows

    return read


def one(rows: list[PackRow | RejectedRow]) -> PackRow | RejectedRow:
    (row,) = rows
    return row


# What the file may look like.

WANTED = PackRow(2, GTIN, "S1", "ABC123", 20271231, None, (), (GTIN, "S1", "ABC123", "2027-12-31"))


@pytest.mark.parametrize(
    "content",
    [
        f"{HEADER}\n{GTIN},S1,ABC123,2027-12-31\n",
        f"{HEADER}\n{GTIN},S1,ABC123,2027-12-31",
        f"{HEADER}\r\n{GTIN},S1,ABC123,2027-12-31\r\n",
        f"\ufeff{HEADER}\n{GTIN},S1,ABC123,2027-12-31\n",
        f"{HEADER.replace(',', ';')}\n{GTIN};S1;ABC123;2027-12-31\n",
        f'\ufeff"gtin";"serial";"lot";"expiry"\r\n"{GTIN}";"S1";"ABC123";"2027-12-31"\r\n',
        f"GTIN, Serial ,LOT,Expiry\n{GTIN},S1,ABC123,2027-12-31\n",
        f"{HEADER}\n{GTIN},S1,ABC123,2027-12-31\n\n,,,\n\r\n",
    ],
    ids=["plain", "no last line end", "CRLF", "BOM", "semicolon", "quoted", "names", "empty rows"],
)
def test_the_same_pack_comes_out_of_every_dialect(read, content):
    assert read(content) == [WANTED]


def test_the_columns_may_stand_in_any_order(read):
    row = one(read(f"expiry,lot,gtin,serial\n2027-12-31,ABC123,{GTIN},S1\n"))
    assert row[:6] == WANTED[:6]


def test_a_byte_order_mark_in_the_middle_is_no_part_of_a_name(read):
    row = one(read(f"{HEADER}\n{GTIN},\ufeffS1,ABC123,271231\n"))
    assert row.reason == "serial is not 1 to 20 characters of GS1 set 82"


def test_rows_are_counted_as_a_spreadsheet_counts_them(read):
    rows = read(f"{HEADER}\n{GTIN},S1,L,271231\n\n{GTIN},S 2,L,271231\n{GTIN},S3,L,271231\n")
    assert [(row.row, type(row)) for row in rows] == [(2, PackRow), (4, RejectedRow), (5, PackRow)]


def test_what_stands_between_quotes_may_hold_the_delimiter_and_doubled_quotes(read):
    row = one(read(f'{HEADER},name\n{GTIN},"S""1",L,271231,"Pain, away ""forte"""\n'))
    assert (row.serial, row.product) == ('S"1', (("name", 'Pain, away "forte"'),))


# The columns.


@pytest.mark.parametrize(
    ("header", "missing"),
    [
        ("serial,lot,expiry", "gtin or ppn"),
        ("gtin,lot,expiry", "serial"),
        ("gtin,serial,expiry", "lot"),
        ("gtin,serial,lot", "expiry"),
        ("foo;bar", "gtin or ppn, serial, lot, expiry"),
        ("gtin\tserial\tlot\texpiry", "gtin or ppn, serial, lot, expiry"),
        ("", "gtin or ppn, serial, lot, expiry"),
        ("\n\n", "gtin or ppn, serial, lot, expiry"),
    ],
)
def test_a_file_without_the_needed_columns_is_not_read_and_the_sentence_names_them(read, header, missing):
    with pytest.raises(UnreadableFile, match=f"{missing} is not among them"):
        read(f"{header}\n{GTIN},S1,L,271231\n")


@pytest.mark.parametrize("header", ["gtin,serial,lot,expiry,lot", "gtin,serial,serial,lot,expiry"])
def test_a_column_named_twice_is_not_guessed_at(read, header):
    with pytest.raises(UnreadableFile, match="names a column twice"):
        read(f"{header}\n")


@pytest.mark.parametrize(
    "content",
    [
        "gtin,serial,lot,expiry\n".encode("utf-16"),
        b"gtin,serial,lot,expiry,na\xefve\n",
        b"PK\x03\x04\xff\xfe\x00\x00",
        b"x" * (2 * csv_packs.LONGEST_LINE),
        b'"gtin,serial,lot,expiry\n',
    ],
    ids=["UTF-16", "Latin-1", "zip", "one endless line", "open quote"],
)
def test_what_is_no_text_with_column_names_is_not_read(read, content):
    with pytest.raises(UnreadableFile, match="not UTF-8 text"):
        read(content)


def test_a_file_that_is_not_there_or_is_a_folder_is_told_in_a_sentence(tmp_path):
    with pytest.raises(UnreadableFile, match="cannot be opened: No such file"):
        CsvPacks(tmp_path / "missing.csv", today=TODAY)
    with pytest.raises(UnreadableFile, match="cannot be opened: Is a directory"):
        CsvPacks(tmp_path, today=TODAY)


def test_a_file_with_column_names_only_has_no_rows(read):
    assert read(f"{HEADER}\n") == []


def test_unknown_columns_are_named_and_their_cells_ignored(tmp_path):
    path = tmp_path / "packs.csv"
    path.write_text(f"gtin,serial,colour,lot,expiry,,\n{GTIN},S1,re\x00d,L,271231,,\n")
    packs = CsvPacks(path, today=TODAY)
    assert packs.header.ignored == ("colour",)
    assert one(list(packs)).serial == "S1"
    packs.close()


def test_the_product_columns_that_are_filled_in_come_along(read):
    row = one(
        read(
            f"{HEADER},name,strength,form,pack_size,manufacturer_gln,sscc\n"
            f"{GTIN},S1,L,271231,Schmerzfrei ä,500 mg,,20,4000001000005,340123450000000000\n"
        )
    )
    assert isinstance(row, PackRow)
    assert dict(row.product) == {
        "name": "Schmerzfrei ä",
        "strength": "500 mg",
        "pack_size": "20",
        "manufacturer_gln": "4000001000005",
    }
    assert row.sscc == "340123450000000000"


# The values.


@pytest.mark.parametrize(
    ("expiry", "number"),
    [
        ("2027-12-31", 20271231),
        ("271231", 20271231),
        ("271200", 20271200),
        ("2027-12-00", 20271200),
        ("280229", 20280229),
        ("760101", 20760101),
        ("770101", 19770101),
    ],
)
def test_an_expiry_has_either_form_and_a_day_00_is_kept(read, expiry, number):
    assert one(read(f"{HEADER}\n{GTIN},S1,L,{expiry}\n")).expiry == number


@pytest.mark.parametrize(
    ("gtin", "stored"),
    [
        ("05012345678900", "05012345678900"),
        ("5012345678900", "05012345678900"),
        ("96385074", "00000096385074"),
        ("614141000012", "00614141000012"),
    ],
)
def test_a_gtin_has_8_12_13_or_14_digits_and_becomes_14(read, gtin, stored):
    assert one(read(f"{HEADER}\n{gtin},S1,L,271231\n")).gtin == stored


@pytest.mark.parametrize("serial", ["S1", "aB", "!\"%&'()*+,-./:;<=>?_"[:20].replace(",", ""), "A" * 20, "0"])
def test_serials_and_lots_are_taken_as_they_are(read, serial):
    quoted = serial.replace('"', '""')
    row = one(read(f'{HEADER}\n{GTIN},"{quoted}","{quoted}",271231\n'))
    assert (row.serial, row.lot) == (serial, serial)


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ([GTIN, "", "L", "271231"], "serial is not"),
        ([GTIN, "S 1", "L", "271231"], "serial is not"),
        ([GTIN, " S1", "L", "271231"], "serial is not"),
        ([GTIN, "S1\x00", "L", "271231"], "serial is not"),
        ([GTIN, "S1\\N", "L", "271231"], "serial is not"),
        ([GTIN, "Ä1", "L", "271231"], "serial is not"),
        ([GTIN, "S" * 21, "L", "271231"], "serial is not"),
        ([GTIN, "S1", "", "271231"], "lot is not"),
        ([GTIN, "S1", "L 1", "271231"], "lot is not"),
        ([GTIN, "S1", "L", ""], "expiry is neither"),
        ([GTIN, "S1", "L", "271331"], "expiry is neither"),
        ([GTIN, "S1", "L", "2027-02-30"], "expiry is neither"),
        ([GTIN, "S1", "L", "31.12.2027"], "expiry is neither"),
        ([GTIN, "S1", "L", "٢٧١٢٣١"], "expiry is neither"),
        (["", "S1", "L", "271231"], "neither gtin nor ppn"),
        (["05012345678901", "S1", "L", "271231"], "check digit of the GTIN"),
        (["5.01235E+12", "S1", "L", "271231"], "a character that is no digit"),
        (["501234567891", "S1", "L", "271231"], "check digit of the GTIN"),
        (["٠٥٠١٢٣٤٥٦٧٨٩٠٠", "S1", "L", "271231"], "a character that is no digit"),
        ([GTIN, "S1", "L"], "3 cells where the header has 4"),
        ([GTIN, "S1", "L", "271231", ""], "5 cells where the header has 4"),
    ],
)
def test_a_wrong_value_rejects_its_row_with_a_reason_and_its_cells(read, cells, reason):
    row, after = read(f"{HEADER}\n{','.join(cells)}\n{GTIN},S9,L,271231\n")
    assert isinstance(row, RejectedRow)
    assert reason in row.reason
    assert row.cells == tuple(cells)
    assert after.serial == "S9"


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("sscc", "340123450000000001", "sscc is not 18 digits"),
        ("sscc", "123", "sscc is not 18 digits"),
        ("manufacturer_gln", "4000001000006", "manufacturer_gln is not 13 digits"),
        ("name", "N" * 201, "name is not printable"),
        ("name", "a\x00b", "name is not printable"),
        ("ppn", "111234567843", "check digits of the PPN"),
        ("ppn", "121234567842", "agency 11"),
    ],
)
def test_a_wrong_optional_value_rejects_its_row(read, column, value, reason):
    row = one(read(f"{HEADER},{column}\n{GTIN},S1,L,271231,{value}\n"))
    assert isinstance(row, RejectedRow)
    assert reason in row.reason


# PPN.


def test_a_ppn_alone_stands_for_its_ntin(read):
    row = one(read(f"ppn,serial,lot,expiry\n{PPN},S1,L,271231\n"))
    assert (row.gtin, dict(row.product)) == (NTIN, {"ppn": PPN})


@pytest.mark.parametrize("gtin", [NTIN, GTIN, ""])
def test_a_ppn_may_stand_beside_its_ntin_or_another_gtin(read, gtin):
    row = one(read(f"ppn,{HEADER}\n{PPN},{gtin},S1,L,271231\n"))
    assert (row.gtin, dict(row.product)) == (gtin or NTIN, {"ppn": PPN})


def test_a_ppn_beside_the_ntin_of_another_is_rejected(read):
    row = one(read(f"ppn,{HEADER}\n110375286414,{NTIN},S1,L,271231\n"))
    assert row.reason == "gtin and ppn name different products"


# What would break a careless reader.

GOOD = f"{GTIN},S9,L,271231\n".encode()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"05012345678900,S\xff,L,271231\n", "the line is not UTF-8"),
        (b'05012345678900,"S1,L,271231\n', "a quote in the line is not closed"),
        (b'05012345678900,"S1"x,L,271231\n', "a quote in the line is not closed, or has something behind it"),
        (b"05012345678900,S1,L,271231," + b"x" * 200_000 + b"\n", "the line is longer than"),
        (b"05012345678900," + b"S" * 5000 + b",L,271231\n", "serial is not"),
        (b"\x00" * 100 + b"\n", "1 cells where the header has 4"),
    ],
)
def test_a_broken_line_spoils_itself_only(read, line, reason):
    before, row, after = read(HEADER.encode() + b"\n" + GOOD + line + GOOD)
    assert (before.row, row.row, after.row) == (2, 3, 4)
    assert reason in row.reason
    assert sum(map(len, row.cells)) < 6000


def test_a_quote_that_is_never_closed_does_not_swallow_the_rest_of_the_file(read):
    rows = read(HEADER.encode() + b'\n05012345678900,"S1,L,271231\n' + GOOD * 3000)
    assert sum(isinstance(row, PackRow) for row in rows) == 3000


def test_a_line_end_inside_quotes_makes_two_bad_rows_and_no_wrong_pack(read):
    rows = read(f'{HEADER},name\n{GTIN},S1,L,271231,"Pain\naway"\n{GTIN},S2,L,271231,x\n')
    assert [type(row) for row in rows] == [RejectedRow, RejectedRow, PackRow]


def test_a_line_just_as_long_as_allowed_is_read_and_one_byte_more_is_not(read):
    line = f"{GTIN},S1,L,271231,".encode()
    for extra, kind in ((-1, PackRow), (0, RejectedRow)):
        filler = b"x" * (csv_packs.LONGEST_LINE - len(line) + extra)
        rows = read(f"{HEADER},colour\n".encode() + line + filler + b"\n" + GOOD.rstrip() + b",\n")
        assert [type(row) for row in rows] == [kind, PackRow]


def test_a_last_line_without_an_end_that_is_exactly_as_long_as_a_read_is_no_endless_loop(read):
    rows = read(HEADER.encode() + b"\n" + b"x" * csv_packs.LONGEST_LINE)
    assert [type(row) for row in rows] == [RejectedRow]


def test_the_position_tells_how_much_of_the_file_is_read(tmp_path):
    path = tmp_path / "packs.csv"
    path.write_bytes(HEADER.encode() + b"\n" + GOOD)
    packs = CsvPacks(path, today=TODAY)
    assert list(packs)
    assert packs.position() == packs.size == len(HEADER) + 1 + len(GOOD)
    packs.close()


CELLS = st.text(alphabet=st.characters(blacklist_categories=["Cs"]), max_size=12)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=60), max_size=8))
def test_no_bytes_at_all_stop_the_reading_and_every_pack_that_comes_out_is_one(read, lines):
    rows = read(HEADER.encode() + b"\n" + b"\n".join(lines) + b"\n" + GOOD)
    assert isinstance(rows[-1], PackRow)
    assert rows[-1].serial == "S9"
    assert [row.row for row in rows] == sorted({row.row for row in rows})


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(CELLS, min_size=4, max_size=4))
def test_whatever_stands_in_the_cells_a_pack_has_a_gtin_a_serial_a_lot_and_a_date(read, cells):
    quoted = ",".join('"' + cell.replace('"', '""').replace("\n", " ") + '"' for cell in cells)
    for row in read(f"{HEADER}\n{quoted}\n"):
        if isinstance(row, PackRow):
            assert row.cells == tuple(cells)
            assert (row.serial, row.lot) == (cells[1], cells[2])
            assert len(row.gtin) == 14
        else:
            assert row.reason
