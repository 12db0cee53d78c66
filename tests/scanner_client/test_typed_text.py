from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner_client.typed import as_code
from verifier.domain.codes import PackCode, parse

TODAY = date(2026, 11, 21)
GS = "\x1d"
HEAD = "0109520001123016"
CODE = f"]d2{HEAD}21S1{GS}1728123110L1"
SET_82 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!\"%&'()*+,-./:;<=>?_"
WRITTEN = (
    GS, "<GS>", "<gs>", "{GS}", "[GS]", "^]", "]", "|", "#", "@", "~1", "~d029",
    "\\u001d", "\\u001D", "\\x1d",
    "\\F", "␝", "\u2194", "[F8]", "\x1b", " ",
)  # fmt: skip


@pytest.mark.parametrize("written", WRITTEN)
@pytest.mark.parametrize("identifier", ["]d2", "]C1", ""])
def test_a_separator_may_be_written_in_any_of_these_ways(written: str, identifier: str):
    text = f"{identifier}{HEAD}21S1{written}1728123110L1"
    assert as_code(text, today=TODAY) == f"{identifier}{HEAD}21S1{GS}1728123110L1"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (CODE, CODE),
        (f"  {CODE}\r\n", CODE),
        (f"\ufeff\x02{CODE}\x03", CODE),
        (f"{GS}{HEAD}21S1{GS}", f"{HEAD}21S1"),
        (f"]d2#{HEAD}21S1||10L1", f"]d2{HEAD}21S1{GS}10L1"),
        (f"(01){HEAD[2:]} (21)S1 (17)281231", f"(01){HEAD[2:]}(21)S1(17)281231"),
        (f"(01){HEAD[2:]}(21)S\\(1<GS>", f"(01){HEAD[2:]}(21)S\\(1<GS>"),
        (
            "https://id.example.org/01/09520001123016/21/S1#x",
            "https://id.example.org/01/09520001123016/21/S1#x",
        ),
        ("]d1HTTPS://ID.EXAMPLE.ORG/01/1|2", "]d1HTTPS://ID.EXAMPLE.ORG/01/1|2"),
        ("[)><RS>06<GS>9N1<GS>S1<RS><EOT>", f"[)>\x1e06{GS}9N1{GS}S1\x1e\x04"),
        ("]d1[)>{RS}06{GS}9N1{GS}S1{RS}{EOT}", f"]d1[)>\x1e06{GS}9N1{GS}S1\x1e\x04"),
        ("[)>^^06^]9N1^]S1^^^D", f"[)>\x1e06{GS}9N1{GS}S1\x1e\x04"),
        ("[)>␞06␝9N1␝S1␞␄", f"[)>\x1e06{GS}9N1{GS}S1\x1e\x04"),
        (f"[)>\x1e06{GS}9N1{GS}S<GS>1", f"[)>\x1e06{GS}9N1{GS}S<GS>1"),
        ("", ""),
        ("09520001123016", "09520001123016"),
    ],
)
def test_the_rest_of_a_text_stays_as_it_is(text: str, code: str):
    assert as_code(text, today=TODAY) == code


@pytest.mark.parametrize(
    ("text", "serial"),
    [
        (f"{HEAD}17281231" + f"10L1{GS}21S<GS>1", "S<GS>1"),
        (f"{HEAD}17281231" + "10L1|21S<GS>1", "S<GS>1"),
        (f"{HEAD}17281231" + "21S<GS>10L1", "S"),
    ],
)
def test_angle_brackets_are_data_where_another_separator_stands_and_a_separator_else(text: str, serial: str):
    pack = parse(as_code(text, today=TODAY), today=TODAY)
    assert isinstance(pack, PackCode)
    assert pack.serial == serial


@given(serial=st.text(SET_82, min_size=1, max_size=20), lot=st.text(SET_82, min_size=1, max_size=20))
def test_pack_data_is_never_touched(serial: str, lot: str):
    code = f"]d2{HEAD}17281231" + f"10{lot}{GS}21{serial}"
    assert as_code(code, today=TODAY) == code


@given(text=st.text(max_size=60))
def test_no_text_raises_and_a_second_pass_changes_nothing_but_wrapping(text: str):
    once = as_code(text, today=TODAY)
    assert isinstance(once, str)
