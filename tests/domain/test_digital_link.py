from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.domain.codes import Expiry, PackCode, Reason, Unreadable, parse
from verifier.domain.digital_link import is_link, parse_link

TODAY = date(2026, 11, 21)
GTIN = "05012345678900"
EXPIRY = Expiry(2027, 12, 31)
PACK = PackCode(GTIN, "S1", "ABC123", EXPIRY, None, ())
PATH = f"/01/{GTIN}/10/ABC123/21/S1?17=271231"


def outcome(code):
    """The reason with what was recognised; the sentence is for people."""
    assert isinstance(code, Unreadable)
    assert code.detail
    return code.reason, code.gtin, code.serial


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        (f"https://id.gs1.org{PATH}", PACK),
        (f"http://id.gs1.org{PATH}", PACK),
        (f"HTTPS://ID.GS1.ORG{PATH}", PACK),
        (f"https://example.com:8443/some/prefix{PATH}", PACK),
        (f"https://example.com/01/2024{PATH}", PACK),
        (f"]d1https://id.gs1.org{PATH}", PACK),
        (f"]Q1https://id.gs1.org{PATH}", PACK),
        (f"https://id.gs1.org{PATH}&linkType=gs1:pip&240=X#top", PACK),
        (f"https://id.gs1.org{PATH};11=250101", PACK),
        (f"https://id.gs1.org{PATH}&10=ABC123", PACK),
        (f"https://id.gs1.org/01/{GTIN}/22/V2/10/ABC123/21/S1?17=271231", PACK),
        (f"https://id.gs1.org/01/{GTIN}/10/ABC123/21/S1?17=%3271231", PACK),
        (f"https://id.gs1.org/01/{GTIN}/10/A%2FB%25/21/%26%3f", PackCode(GTIN, "&?", "A/B%", None, None, ())),
        (f"https://id.gs1.org/01/{GTIN}/21/S+1", PackCode(GTIN, "S+1", None, None, None, ())),
        (f"https://id.gs1.org/01/{GTIN}/10/01/21/01", PackCode(GTIN, "01", "01", None, None, ())),
        (f"https://id.gs1.org{PATH}&8999=x", PackCode(GTIN, "S1", "ABC123", EXPIRY, None, ("unknown_ai",))),
        (f"https://id.gs1.org/01/{GTIN}/21/S1?17=271200",
         PackCode(GTIN, "S1", None, Expiry(2027, 12, 0), None, ())),
    ],
)  # fmt: skip
def test_a_link_names_a_pack(uri, expected):
    assert parse(uri, today=TODAY) == expected


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("https://id.gs1.org/AQnYUc1gmiERBhQ0ytiyZuAAXU", (Reason.COMPRESSED_LINK, None, None)),
        ("https://example.org/DBHKVAdpQgqrrU-k", (Reason.COMPRESSED_LINK, None, None)),
        (f"https://id.gs1.org/01/{GTIN}/ARHKVAdpQg", (Reason.COMPRESSED_LINK, GTIN, None)),
        ("https://example.com/", (Reason.NOT_A_PACK_CODE, None, None)),
        ("https://example.com", (Reason.NOT_A_PACK_CODE, None, None)),
        ("https://", (Reason.NOT_A_PACK_CODE, None, None)),
        ("https:///01/05012345678900/21/S1", (Reason.NOT_A_PACK_CODE, None, None)),
        ("https://example.com/leaflet-information", (Reason.NOT_A_PACK_CODE, None, None)),
        ("https://example.com/gtin/05012345678900/ser/S1", (Reason.NOT_A_PACK_CODE, None, None)),
        (f"https://example.com?01={GTIN}&21=S1", (Reason.NOT_A_PACK_CODE, None, None)),
        (f"https://id.gs1.org/01/{GTIN}/21/S1/10/ABC", (Reason.NOT_A_PACK_CODE, GTIN, "S1")),
        (f"https://id.gs1.org/01/{GTIN}/10/A/10/A/21/S1", (Reason.NOT_A_PACK_CODE, GTIN, "S1")),
        (f"https://id.gs1.org/01/{GTIN}/17/271231/21/S1", (Reason.NOT_A_PACK_CODE, GTIN, "S1")),
        (f"https://id.gs1.org/01/{GTIN}/21/S1/", (Reason.NOT_A_PACK_CODE, GTIN, "S1")),
        (f"https://id.gs1.org/01/{GTIN}?10=A&21=S1", (Reason.NOT_A_PACK_CODE, GTIN, "S1")),
        (f"https://id.gs1.org/01/{GTIN}/10/A/21/S1?10=B", (Reason.REPEATED_ELEMENT, GTIN, "S1")),
        (f"https://id.gs1.org/01/{GTIN}/10/A/21/S1?02={GTIN}", (Reason.REPEATED_ELEMENT, GTIN, "S1")),
        (f"https://id.gs1.org/01/{GTIN}/10/A?17=271231", (Reason.MISSING_SERIAL, GTIN, None)),
        (f"https://id.gs1.org/01/{GTIN}/10/A/21/?17=271231", (Reason.MISSING_SERIAL, GTIN, None)),
        (f"https://id.gs1.org/01/{GTIN}/10//21/S1?17=271231", (Reason.MISSING_LOT, GTIN, "S1")),
        (f"https://id.gs1.org/01/{GTIN}/21/S1?17=271331", (Reason.BAD_DATE, GTIN, "S1")),
        (f"https://id.gs1.org/01/{GTIN}/21/S1?17=2027-12-31", (Reason.BAD_DATE, GTIN, "S1")),
        (f"https://id.gs1.org/01/{GTIN}/21/S1?17=%", (Reason.BAD_CHARACTER, GTIN, "S1")),
        ("https://id.gs1.org/01/05012345678901/21/S1", (Reason.BAD_CHECK_DIGIT, "05012345678901", "S1")),
        ("https://id.gs1.org/01/5012345678900/21/S1", (Reason.BAD_CHECK_DIGIT, None, "S1")),
        (f"https://id.gs1.org/01/{GTIN}/21/{'X' * 21}", (Reason.TOO_LONG, GTIN, None)),
        (f"https://id.gs1.org/01/{GTIN}/21/S%201", (Reason.BAD_CHARACTER, GTIN, None)),
        (f"https://id.gs1.org/01/{GTIN}/21/S%", (Reason.BAD_CHARACTER, GTIN, None)),
        (f"https://id.gs1.org/01/{GTIN}/21/S%G1", (Reason.BAD_CHARACTER, GTIN, None)),
        (f"https://id.gs1.org/01/{GTIN}/21/S%C3%A4", (Reason.BAD_CHARACTER, GTIN, None)),
        (f"https://id.gs1.org/01/{GTIN}/21/S%FF", (Reason.BAD_CHARACTER, GTIN, None)),
        (f"https://id.gs1.org/01/{GTIN}/21/S%00", (Reason.BAD_CHARACTER, GTIN, None)),
        (f"https://id.gs1.org/01/{GTIN}/21/Sä", (Reason.BAD_CHARACTER, GTIN, None)),
        (f"https://id.gs1.org/01/{GTIN}/21/S1\r", (Reason.BAD_CHARACTER, GTIN, None)),
        (f"https://id.gs1.org/01/{GTIN}/21/S 1", (Reason.BAD_CHARACTER, GTIN, None)),
        ("https://id.gs1.org/01/\uff105012345678900/21/S1", (Reason.BAD_CHARACTER, None, None)),
        (f"]d2https://id.gs1.org{PATH}", (Reason.UNKNOWN_AI, None, None)),
        (f"]C1https://id.gs1.org{PATH}", (Reason.UNKNOWN_AI, None, None)),
        (f"]Q0https://id.gs1.org{PATH}", (Reason.NOT_A_PACK_CODE, None, None)),
    ],
)  # fmt: skip
def test_a_link_that_is_refused_says_why(uri, expected):
    assert outcome(parse(uri, today=TODAY)) == expected


@given(st.text("/0121?&=;%#17aA5:[]@ ", max_size=60))
def test_no_link_raises(rest):
    assert isinstance(parse_link(f"https://{rest}", today=TODAY), PackCode | Unreadable)


@given(st.text(max_size=12))
def test_only_web_addresses_are_links(text):
    assert is_link(text) == text.lower().startswith(("http://", "https://"))
