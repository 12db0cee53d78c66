from datetime import date

import pytest

from verifier.domain.codes import (
    Expiry,
    FieldError,
    PackCode,
    Reason,
    Unreadable,
    element_string,
    from_elements,
    parse,
)

TODAY = date(2026, 11, 21)
GS, RS, EOT = "\x1d", "\x1e", "\x04"
GTIN = "05012345678900"
WRONG_GTIN, WRONG_NTIN = "05012345678901", "04150123456792"
PPN, NTIN = "111234567842", "04150123456782"
EXPIRY = Expiry(2027, 12, 31)
PACK = PackCode(GTIN, "S1", "ABC123", EXPIRY, None, ())
FIRST = f"01{GTIN}17271231"
FULL = f"{FIRST}10ABC123{GS}21S1"
IFA = f"9N{PPN}{GS}1TABC123{GS}D271231{GS}SS1"
PUNCTUATION = "!\"%&'()*+,-./:;<=>?"
ARABIC_DATE = "\u0662\u0667\u0661\u0662\u0663\u0661"
IFA_PACK = PackCode(NTIN, "S1", "ABC123", EXPIRY, PPN, ())


def noted(*notes):
    return PackCode(GTIN, "S1", "ABC123", EXPIRY, None, notes)


def envelope(body, *, form="06", trailer=RS + EOT):
    return f"[)>{RS}{form}{GS}{body}{trailer}"


def outcome(code):
    """The reason with what was recognised; the sentence is for people."""
    assert isinstance(code, Unreadable)
    assert code.detail.endswith(".")
    return code.reason, code.gtin, code.serial


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (FULL, PACK),
        *((f"{aim}{FULL}", PACK) for aim in ("]d2", "]Q3", "]C1", "]e0", "]J1")),
        (f"]d2{GS}{FULL}", PACK),
        (f"{GS}{FULL}", PACK),
        (f"]d2{FULL}{GS}", PACK),
        (f"]d201{GTIN}{GS}17271231{GS}10ABC123{GS}{GS}21S1", PACK),
        (f"]d221S1{GS}10ABC123{GS}{FIRST}", PACK),
        (f"]d201{GTIN}21S1{GS}1727123110ABC123", PACK),
        (f"]d2{FIRST}10ABC123{GS}21S1{GS}01{GTIN}", PACK),
        (f"]d2{FULL}{GS}10ABC123", PACK),
        (f"]d2{FIRST}1125010110ABC123{GS}21S1{GS}24012345{GS}71012345678{GS}991234", PACK),
        (f"]d2{FIRST}10ABC123{GS}422276{GS}70032712311200{GS}21S1", PACK),
        (f"]d2{FULL}{GS}8999xyz", noted("unknown_ai")),
        (f"]d2{FIRST}{GS}8999xyz{GS}10ABC123{GS}21S1", noted("unknown_ai")),
        (f"]d2{FULL}{GS}04anything", noted("unknown_ai")),
        (f"]d2{FIRST}21S1", PackCode(GTIN, "S1", None, EXPIRY, None, ())),
        (f"]d201{GTIN}21S1", PackCode(GTIN, "S1", None, None, None, ())),
        (f"]d201{GTIN}1727120010lot{GS}21s-_%", PackCode(GTIN, "s-_%", "lot", Expiry(2027, 12, 0), None, ())),
        (f"]d2{FIRST}10{PUNCTUATION}{GS}21_aZ09", PackCode(GTIN, "_aZ09", PUNCTUATION, EXPIRY, None, ())),
        (f"]d2{FIRST}10{'L' * 20}{GS}21{'9' * 20}", PackCode(GTIN, "9" * 20, "L" * 20, EXPIRY, None, ())),
        (f"]d2{FIRST}10A01{GTIN}{GS}2117280131", PackCode(GTIN, "17280131", f"A01{GTIN}", EXPIRY, None, ())),
        (f"]d201{NTIN}1727123110ABC123{GS}21S1", PackCode(NTIN, "S1", "ABC123", EXPIRY, None, ())),
        (f"]d2010036141456789417230728101908642E{GS}21400806",
         PackCode("00361414567894", "400806", "1908642E", Expiry(2023, 7, 28), None, ())),
    ],
)  # fmt: skip
def test_an_element_string_is_read(raw, expected):
    assert parse(raw, today=TODAY) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (f"(01){GTIN}(17)271231(10)ABC123(21)S1", PACK),
        (f"(21)S1(10)ABC123(17)271231(01){GTIN}", PACK),
        (f"(01){GTIN}(17)271231(10)ABC123(21)S1(240)X(710)12345678", PACK),
        (f"(01){GTIN}(17)271231(10)ABC123(21)S1(8999)x", noted("unknown_ai")),
        (rf"(01){GTIN}(21)S\(10)1(10)A)B", PackCode(GTIN, "S(10)1", "A)B", None, None, ())),
        (f"(01){GTIN}(21)S1", PackCode(GTIN, "S1", None, None, None, ())),
    ],
)
def test_bracketed_text_is_read(raw, expected):
    assert parse(raw, today=TODAY) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (envelope(IFA), IFA_PACK),
        (f"]d1{envelope(IFA)}", IFA_PACK),
        *((envelope(IFA, trailer=trailer), IFA_PACK) for trailer in ("", RS, EOT, f"{GS}{RS}{EOT}")),
        (envelope(f"9N111234568408{GS}1T47U5217{GS}D220800{GS}S18019731537612"),
         PackCode("04150123456843", "18019731537612", "47U5217", Expiry(2022, 8, 0), "111234568408", ())),
        (envelope(f"SS1{GS}D271231{GS}16D20250131{GS}1TABC123{GS}8P{GTIN}{GS}9N{PPN}"), IFA_PACK),
        (envelope(f"8P{GTIN}{GS}1TABC123{GS}D271231{GS}SS1"), PACK),
        (envelope(f"{IFA}{GS}27Qx"), PackCode(NTIN, "S1", "ABC123", EXPIRY, PPN, ("unknown_ai",))),
        (envelope(f"9N{PPN}{GS}SS1"), PackCode(NTIN, "S1", None, None, PPN, ())),
        (envelope(FULL, form="05"), PACK),
        (f"]d1{envelope(FULL, form='05', trailer='')}", PACK),
    ],
)  # fmt: skip
def test_an_envelope_is_read(raw, expected):
    assert parse(raw, today=TODAY) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        # what is missing
        (f"]d2{FIRST}10ABC123", (Reason.MISSING_SERIAL, GTIN, None)),
        (f"]d2{FIRST}10ABC123{GS}21", (Reason.MISSING_SERIAL, GTIN, None)),
        (f"]d2{FIRST}10{GS}21S1", (Reason.MISSING_LOT, GTIN, "S1")),
        (f"(01){GTIN}(17)(10)ABC123(21)S1", (Reason.MISSING_EXPIRY, GTIN, "S1")),
        (envelope(IFA.replace("D271231", "D")), (Reason.MISSING_EXPIRY, NTIN, "S1")),
        (f"]d21727123110ABC123{GS}21S1", (Reason.MISSING_GTIN, None, "S1")),
        (f"1727123110ABC123{GS}21S1", (Reason.MISSING_GTIN, None, "S1")),
        ("]d2", (Reason.MISSING_GTIN, None, None)),
        ("]d29501101530003", (Reason.MISSING_GTIN, None, None)),
        (f"]d202{GTIN}37123", (Reason.MISSING_GTIN, None, None)),
        (envelope(f"1TABC123{GS}D271231{GS}SS1"), (Reason.MISSING_GTIN, None, "S1")),
        (envelope(f"9N{PPN}{GS}1TABC123{GS}D271231"), (Reason.MISSING_SERIAL, NTIN, None)),
        (f"01{GTIN}", (Reason.MISSING_SERIAL, GTIN, None)),
        # check digits
        (f"]d201{WRONG_GTIN}1727123110ABC123{GS}21S1", (Reason.BAD_CHECK_DIGIT, WRONG_GTIN, "S1")),
        (f"]d201{WRONG_NTIN}1727123110ABC123{GS}21S1", (Reason.BAD_CHECK_DIGIT, WRONG_NTIN, "S1")),
        (f"]d201{GTIN[1:]}{GS}1727123110ABC123{GS}21S1", (Reason.BAD_CHECK_DIGIT, None, "S1")),
        (f"(01){GTIN[1:]}(21)S1", (Reason.BAD_CHECK_DIGIT, None, "S1")),
        (envelope(IFA.replace(PPN, "111234567843")), (Reason.BAD_CHECK_DIGIT, None, "S1")),
        (envelope(f"{IFA}{GS}8P{WRONG_GTIN}"), (Reason.BAD_CHECK_DIGIT, NTIN, "S1")),
        # dates
        (f"]d201{GTIN}1727133110ABC123{GS}21S1", (Reason.BAD_DATE, GTIN, "S1")),
        (f"]d201{GTIN}1727023010ABC123{GS}21S1", (Reason.BAD_DATE, GTIN, "S1")),
        (f"]d2{FIRST}1127133110ABC123{GS}21S1", (Reason.BAD_DATE, GTIN, "S1")),
        (f"]d201{GTIN}10ABC123{GS}21S1{GS}172712", (Reason.BAD_DATE, GTIN, "S1")),
        (f"(01){GTIN}(17)2027-12-31(21)S1", (Reason.BAD_DATE, GTIN, "S1")),
        (envelope(IFA.replace("D271231", "D271331")), (Reason.BAD_DATE, NTIN, "S1")),
        (envelope(f"{IFA}{GS}16D250131"), (Reason.BAD_DATE, NTIN, "S1")),
        # characters
        (f"]d2{FIRST}10ABC 123{GS}21S1", (Reason.BAD_CHARACTER, GTIN, "S1")),
        (f"]d2{FIRST}10ABC123{GS}21S{{1", (Reason.BAD_CHARACTER, GTIN, None)),
        (f"]d2{FIRST}10ABCä23{GS}21S1", (Reason.BAD_CHARACTER, GTIN, "S1")),
        (f"]d2{FULL}\r", (Reason.BAD_CHARACTER, GTIN, None)),
        (f"]d2 {FULL}", (Reason.BAD_CHARACTER, None, "S1")),
        (f" {FULL}", (Reason.BAD_CHARACTER, None, "S1")),
        (f"]d2{FULL}]d2{FULL}", (Reason.BAD_CHARACTER, GTIN, None)),
        (f"01\uff105012345678900{GS}17271231{GS}10ABC123{GS}21S1", (Reason.BAD_CHARACTER, None, "S1")),
        (f"\uff10\uff11{GTIN}21S1", (Reason.BAD_CHARACTER, None, None)),
        (f"]d201{GTIN}17{ARABIC_DATE}10ABC123{GS}21S1", (Reason.BAD_CHARACTER, GTIN, "S1")),
        (f"]d2{FULL}{GS}8999 x", (Reason.BAD_CHARACTER, GTIN, "S1")),
        (f"]d20105012345678X001727123110ABC123{GS}21S1", (Reason.BAD_CHARACTER, None, "S1")),
        (f"]d2{FULL}{GS}3103ABCDEF", (Reason.BAD_CHARACTER, GTIN, "S1")),
        (f"(01){GTIN}(17)271231(10)A(B(21)S1", (Reason.BAD_CHARACTER, GTIN, None)),
        (rf"(01){GTIN}(17)271231(10)A\B(21)S1", (Reason.BAD_CHARACTER, GTIN, "S1")),
        (f"(01){GTIN} (21)S1", (Reason.BAD_CHARACTER, None, "S1")),
        (f"(01){GTIN}(21)S1(8999)ä", (Reason.BAD_CHARACTER, GTIN, "S1")),
        (envelope(IFA.replace("SS1", "Sß1")), (Reason.BAD_CHARACTER, NTIN, None)),
        # lengths
        (f"]d2{FIRST}10ABC123{GS}21{'X' * 21}", (Reason.TOO_LONG, GTIN, None)),
        (f"]d2{FIRST}10{'X' * 21}{GS}21S1", (Reason.TOO_LONG, GTIN, "S1")),
        (f"]d2{FULL}{GS}4222760", (Reason.TOO_LONG, GTIN, "S1")),
        (f"]d2{FULL}" + "X" * 5000, (Reason.TOO_LONG, None, None)),
        (envelope(IFA.replace(PPN, PPN + "0")), (Reason.TOO_LONG, None, "S1")),
        # repeats
        (f"]d2{FULL}{GS}10OTHER", (Reason.REPEATED_ELEMENT, GTIN, "S1")),
        (f"]d2{FULL}{GS}10abc123", (Reason.REPEATED_ELEMENT, GTIN, "S1")),
        (f"]d2{FULL}{GS}21S2", (Reason.REPEATED_ELEMENT, GTIN, None)),
        (f"]d2{FULL}{GS}01{NTIN}", (Reason.REPEATED_ELEMENT, None, "S1")),
        (f"]d2{FULL}{GS}17271200", (Reason.REPEATED_ELEMENT, GTIN, "S1")),
        (f"]d2{FULL}{GS}02{GTIN}3712", (Reason.REPEATED_ELEMENT, GTIN, "S1")),
        (f"(01){GTIN}(21)S1(10)A(10)B", (Reason.REPEATED_ELEMENT, GTIN, "S1")),
        (envelope(f"{IFA}{GS}SS2"), (Reason.REPEATED_ELEMENT, NTIN, None)),
        # identifiers
        (f"]d2{FIRST}05X10ABC123{GS}21S1", (Reason.UNKNOWN_AI, GTIN, "S1")),
        (f"]d28999{GS}{FULL}", (Reason.UNKNOWN_AI, GTIN, "S1")),
        (f"]d2{FULL}{GS}XYZ", (Reason.UNKNOWN_AI, GTIN, "S1")),
        (envelope(f"{IFA}{GS}-x"), (Reason.UNKNOWN_AI, NTIN, "S1")),
        # not the code of a pack
        ("", (Reason.NOT_A_PACK_CODE, None, None)),
        ("9501101530003", (Reason.NOT_A_PACK_CODE, None, None)),
        ("96385074", (Reason.NOT_A_PACK_CODE, None, None)),
        ("01050123456789", (Reason.NOT_A_PACK_CODE, None, None)),
        ("95011015300031234", (Reason.NOT_A_PACK_CODE, None, None)),
        ("2112345678901234", (Reason.NOT_A_PACK_CODE, None, None)),
        ("00340123450000000016", (Reason.NOT_A_PACK_CODE, None, None)),
        ("HELLO WORLD", (Reason.NOT_A_PACK_CODE, None, None)),
        ("]", (Reason.NOT_A_PACK_CODE, None, None)),
        (f"]d1{FULL}", (Reason.NOT_A_PACK_CODE, None, None)),
        (f"]D2{FULL}", (Reason.NOT_A_PACK_CODE, None, None)),
        (f"]X9{FULL}", (Reason.NOT_A_PACK_CODE, None, None)),
        (f"]d2{envelope(IFA)}", (Reason.BAD_CHARACTER, None, None)),
        ("]E05012345678900", (Reason.NOT_A_PACK_CODE, None, None)),
        ("+d2010501234567890021S1", (Reason.NOT_A_PACK_CODE, None, None)),
        (envelope(IFA.replace(PPN, "121234567842")), (Reason.NOT_A_PACK_CODE, None, "S1")),
        (envelope(IFA, form="12"), (Reason.NOT_A_PACK_CODE, None, None)),
        # controls of the header
        (f"[)>06{IFA}", (Reason.MISSING_SEPARATOR, None, None)),
        (f"[)>{RS}069N{PPN}SS1", (Reason.MISSING_SEPARATOR, None, None)),
        (f"[)>\x1f06{GS}{IFA}", (Reason.MISSING_SEPARATOR, None, None)),
    ],
)  # fmt: skip
def test_a_refused_code_says_why_and_what_was_recognised(raw, expected):
    assert outcome(parse(raw, today=TODAY)) == expected


def test_a_sentence_never_quotes_the_serial():
    code = parse(f"]d201{WRONG_GTIN}1727133110ABC 123{GS}21SECRET42", today=TODAY)
    assert isinstance(code, Unreadable)
    assert code.serial == "SECRET42"
    assert "SECRET42" not in code.detail


@pytest.mark.parametrize("length", [4096, 4097, 1_000_000])
@pytest.mark.parametrize(
    "piece", ["21", "10", "(01)", GS, "7107", "https://a/01/", "[)>\x1e06\x1dS", "\ud800", "%"]
)
def test_an_endless_code_is_answered(piece, length):
    assert isinstance(parse((piece * length)[:length], today=TODAY), Unreadable)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"gtin": GTIN}, PACK),
        ({"gtin": GTIN[1:]}, PACK),
        ({"gtin": "96385074"}, PackCode("00000096385074", "S1", "ABC123", EXPIRY, None, ())),
        ({"gtin": "036000291452"}, PackCode("00036000291452", "S1", "ABC123", EXPIRY, None, ())),
        ({"ppn": PPN}, IFA_PACK),
        ({"gtin": NTIN}, PackCode(NTIN, "S1", "ABC123", EXPIRY, None, ())),
        ({"gtin": GTIN, "lot": None, "expiry": None}, PackCode(GTIN, "S1", None, None, None, ())),
        ({"gtin": GTIN, "expiry": "2027-12-31"}, PACK),
        ({"gtin": GTIN, "expiry": "271200"}, PackCode(GTIN, "S1", "ABC123", Expiry(2027, 12, 0), None, ())),
        ({"gtin": GTIN, "lot": "a b"}, (("lot", Reason.BAD_CHARACTER),)),
        ({"gtin": GTIN, "lot": ""}, (("lot", Reason.MISSING_LOT),)),
        ({"gtin": GTIN, "serial": " S1"}, (("serial", Reason.BAD_CHARACTER),)),
        ({"gtin": GTIN, "serial": "X" * 21}, (("serial", Reason.TOO_LONG),)),
        ({"gtin": GTIN, "expiry": "2027-02-30"}, (("expiry", Reason.BAD_DATE),)),
        ({"gtin": GTIN, "expiry": ""}, (("expiry", Reason.MISSING_EXPIRY),)),
        ({"gtin": "123456789"}, (("gtin", Reason.BAD_CHECK_DIGIT),)),
        ({"gtin": WRONG_GTIN}, (("gtin", Reason.BAD_CHECK_DIGIT),)),
        ({"gtin": f"{ARABIC_DATE}{GTIN[:8]}"}, (("gtin", Reason.BAD_CHARACTER),)),
        ({"gtin": ""}, (("gtin", Reason.BAD_CHECK_DIGIT),)),
        ({"ppn": "111234567843"}, (("ppn", Reason.BAD_CHECK_DIGIT),)),
        ({"ppn": "121234567842"}, (("ppn", Reason.NOT_A_PACK_CODE),)),
        ({}, (("gtin", Reason.MISSING_GTIN),)),
        ({"gtin": NTIN, "ppn": PPN}, (("ppn", Reason.REPEATED_ELEMENT),)),
        (
            {"gtin": WRONG_GTIN, "serial": "", "lot": "ä", "expiry": "271331"},
            (
                ("gtin", Reason.BAD_CHECK_DIGIT),
                ("serial", Reason.MISSING_SERIAL),
                ("lot", Reason.BAD_CHARACTER),
                ("expiry", Reason.BAD_DATE),
            ),
        ),
    ],
)
def test_the_elements_of_a_request_are_read_or_all_their_faults_told(given, expected):
    elements = {"gtin": None, "ppn": None, "serial": "S1", "lot": "ABC123", "expiry": "271231"} | given
    result = from_elements(**elements, today=TODAY)
    if isinstance(result, tuple):
        assert all(isinstance(error, FieldError) and error.detail for error in result)
        result = tuple((error.field, error.reason) for error in result)
    assert result == expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (PACK, f"]d2{FIRST}10ABC123{GS}21S1"),
        (PackCode(GTIN, "S1", None, EXPIRY, None, ()), f"]d2{FIRST}21S1{GS}"),
        (PackCode(GTIN, "S1", "L", None, None, ()), f"]d201{GTIN}10L{GS}21S1{GS}"),
        (PackCode(GTIN, "S1", None, None, None, ()), f"]d201{GTIN}21S1{GS}"),
        (PackCode(NTIN, "S1", "L", Expiry(2027, 12, 0), PPN, ()), f"]d201{NTIN}1727120010L{GS}21S1"),
    ],
)
def test_an_element_string_is_written_with_its_separators(code, expected):
    assert element_string(code) == expected
    assert element_string(code, separator="<GS>") == expected.replace(GS, "<GS>")
