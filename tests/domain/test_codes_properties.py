import itertools
from datetime import date

from hypothesis import example, given, settings
from hypothesis import strategies as st

from verifier.domain.codes import (
    Expiry,
    FieldError,
    PackCode,
    Unreadable,
    element_string,
    from_elements,
    parse,
)
from verifier.domain.gs1 import check_digit

TODAY = date(2026, 11, 21)
GS = "\x1d"
SET_82 = "!\"%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
SYNTAX = "]d1201c[)>\x1e\x1d\x04056(10)21\\/%17AS9NTD"

gtins = st.text("0123456789", min_size=13, max_size=13).map(lambda digits: digits + check_digit(digits))
texts = st.text(SET_82, min_size=1, max_size=20)
lookalikes = st.lists(
    st.sampled_from(["10", "21", "17", "01", "11", "240", "710", "271231", "05012345678900", "A", "7", "1"]),
    min_size=1, max_size=8,
).map("".join).filter(lambda text: len(text) <= 20)  # fmt: skip
values = texts | lookalikes
expiries = st.dates(date(1977, 1, 1), date(2076, 12, 31)).flatmap(
    lambda day: st.sampled_from([Expiry(day.year, day.month, day.day), Expiry(day.year, day.month, 0)])
)
full_packs = st.builds(
    PackCode, gtin=gtins, serial=values, lot=values, expiry=expiries, ppn=st.none(), notes=st.just(())
)
packs = st.builds(
    PackCode,
    gtin=gtins, serial=values, lot=st.none() | values, expiry=st.none() | expiries,
    ppn=st.none(), notes=st.just(()),
)  # fmt: skip


@given(packs)
@example(PackCode("05012345678900", "S10L", None, Expiry(2027, 12, 31), None, ()))
@example(PackCode("05012345678900", "A17271231", "L", None, None, ()))
def test_what_is_written_is_read_back(pack):
    assert parse(element_string(pack), today=TODAY) == pack


@given(packs)
def test_what_is_written_in_brackets_is_read_back(pack):
    elements = {
        "01": pack.gtin,
        "17": pack.expiry and pack.expiry.yymmdd(),
        "10": pack.lot,
        "21": pack.serial,
    }
    text = "".join(f"({ai})" + value.replace("(", r"\(") for ai, value in elements.items() if value)
    assert parse(text, today=TODAY) == pack


@given(packs)
def test_what_is_written_as_a_link_is_read_back(pack):
    def quote(value):
        return "".join(f"%{ord(char):02x}" for char in value)

    lot = f"/10/{quote(pack.lot)}" if pack.lot else ""
    query = f"?17={pack.expiry.yymmdd()}" if pack.expiry else ""
    assert (
        parse(f"https://id.gs1.org/01/{pack.gtin}{lot}/21/{quote(pack.serial)}{query}", today=TODAY) == pack
    )


@given(packs)
def test_the_elements_of_a_pack_are_the_pack(pack):
    expiry = pack.expiry and pack.expiry.yymmdd()
    result = from_elements(
        gtin=pack.gtin, ppn=None, serial=pack.serial, lot=pack.lot, expiry=expiry, today=TODAY
    )
    assert result == pack


@settings(max_examples=300)
@given(
    full_packs,
    st.sampled_from(list(itertools.permutations(("01", "17", "10", "21")))),
    st.sets(st.integers(0, 2)),
    st.sampled_from(["", "11250131"]),
)
def test_a_lost_separator_never_gives_another_pack(pack, order, lost, production):
    data = {"01": pack.gtin + production, "17": pack.expiry.yymmdd(), "10": pack.lot, "21": pack.serial}
    code = "]d2"
    for place, ai in enumerate(order):
        ended = ai in ("10", "21") and place < len(order) - 1
        code += ai + data[ai] + (GS if ended and place not in lost else "")
    read = parse(code, today=TODAY)
    if isinstance(read, PackCode):
        assert (read.gtin, read.serial, read.lot, read.expiry) == (
            pack.gtin,
            pack.serial,
            pack.lot,
            pack.expiry,
        )
        assert set(read.notes) <= {"separator_restored"}


@given(full_packs, st.sampled_from(SET_82), st.integers(5, 18))
def test_a_wrong_character_in_the_gtin_never_gives_another_product(pack, char, place):
    code = element_string(pack)
    read = parse(code[:place] + char + code[place + 1 :], today=TODAY)
    assert isinstance(read, Unreadable) or read.gtin == pack.gtin


@settings(max_examples=300)
@given(
    st.text(max_size=80)
    | st.text(SYNTAX, max_size=120)
    | st.binary(max_size=80).map(lambda b: b.decode("latin-1"))
)
def test_no_text_raises(raw):
    assert isinstance(parse(raw, today=TODAY), PackCode | Unreadable)


@given(
    st.text(SYNTAX, max_size=300),
    st.sampled_from(["]d2", "]d1", "(01)", "[)>\x1e06\x1d", "[)>\x1e05\x1d", "https://a"]),
)
def test_no_text_of_a_syntax_raises(rest, prefix):
    assert isinstance(parse(prefix + rest, today=TODAY), PackCode | Unreadable)


maybe_text = st.none() | st.text(max_size=30)


@given(maybe_text, maybe_text, st.text(max_size=30), maybe_text, maybe_text)
def test_no_elements_raise(gtin, ppn, serial, lot, expiry):
    result = from_elements(gtin=gtin, ppn=ppn, serial=serial, lot=lot, expiry=expiry, today=TODAY)
    assert isinstance(result, PackCode) or (result and all(isinstance(error, FieldError) for error in result))
