import io
import random
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from scanner_client import sample_pictures as draw
from scanner_client.decode import DecodedCode, Picture, decode, decode_file
from scanner_client.pictures import MAX_BYTES

TODAY = date(2026, 11, 21)
CODE = "[01]09520001123016[21]S1[17]281231[10]L1"
EXPECTED = DecodedCode(
    "09520001123016",
    None,
    "S1",
    "L1",
    "2028-12-31",
    "]d2010952000112301621S1\x1d1728123110L1",
    "]d2",
    "plain",
)


def png(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def code(content: str = CODE, *, gs1: bool = True) -> Image.Image:
    return draw.symbol(content, gs1=gs1, module=5)


def noisy(picture: Image.Image, sigma: float) -> Image.Image:
    return draw._noisy(picture.convert("RGB"), random.Random(1), sigma)  # noqa: S311


def read(picture: Image.Image) -> Picture:
    return decode(png(picture), file="x", today=TODAY)


def elements(picture: Picture) -> list[dict[str, Any]]:
    names = ("gtin", "ppn", "serial", "lot", "expiry")
    return [{name: getattr(each, name) for name in names} for each in picture.codes]


def test_every_sample_picture_shows_just_the_packs_of_the_manifest_in_reading_order(samples):
    folder, manifest = samples
    for shown in manifest["pictures"]:
        packs = [{name: pack[name] for name in pack if name != "expected"} for pack in shown["packs"]]
        assert elements(decode_file(folder / shown["file"], today=TODAY)) == packs, shown["file"]


def test_the_raw_code_is_what_was_printed_led_by_its_identifier():
    assert read(code()).codes == (EXPECTED,)


def test_a_ppn_keeps_its_whole_envelope(samples):
    folder, _ = samples
    (ppn,) = decode_file(folder / "pictures/ppn.png", today=TODAY).codes
    assert ppn.symbology == "]d1"
    assert ppn.raw.startswith("]d1[)>\x1e06\x1d9N11")
    assert ppn.raw.endswith("\x1e\x04")


def test_the_same_pack_twice_on_a_picture_is_one_code():
    sheet = Image.new("L", (400, 200), 255)
    sheet.paste(code(), (20, 20))
    sheet.paste(code(), (220, 30))
    assert len(read(sheet).codes) == 1


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_reading_order_is_by_rows_also_when_these_are_not_level(turn):
    sheet = Image.new("L", (700, 500), 255)
    for place in range(6):
        symbol = code(CODE.replace("S1", f"S{place}")).rotate(-turn, expand=True)
        sheet.paste(symbol, (40 + 220 * (place % 3), 30 + 220 * (place // 3) + 8 * (place % 2)))
    assert [each.serial for each in read(sheet).codes] == ["S0", "S1", "S2", "S3", "S4", "S5"]


@pytest.mark.parametrize("angle", [0, 22.5, 45, 100, 181])
def test_order_holds_when_only_the_turned_picture_can_be_read(angle):
    sheet = Image.new("L", (500, 300), 255)
    for place in range(2):
        symbol = code(CODE.replace("S1", f"S{place}")).rotate(angle, expand=True, fillcolor=255)
        sheet.paste(symbol, (20 + 240 * place, 60 - 30 * place))
    rough = noisy(sheet, 60)
    assert sorted(each.serial for each in read(rough).codes) == [each.serial for each in read(rough).codes]
    assert read(rough).codes


@pytest.mark.parametrize(
    "change",
    [
        lambda p: p.convert("RGB"),
        lambda p: p.convert("1"),
        lambda p: p.convert("P"),
        lambda p: p.convert("LA"),
        lambda p: p.convert("CMYK").convert("RGB"),
        lambda p: Image.fromarray(np.asarray(p).astype("uint16") * 257),
        ImageOps.invert,
        lambda p: ImageOps.expand(p.point(lambda v: 200 if v else 0), 30, 200),
    ],
    ids=["colour", "bitmap", "palette", "alpha", "print", "deep", "light on dark", "gray paper"],
)
def test_any_kind_of_pixel_is_read(change: Callable[[Image.Image], Image.Image]):
    assert [each.serial for each in read(change(code())).codes] == ["S1"]


def test_dark_ink_on_a_transparent_ground_is_read():
    ink = Image.new("RGBA", code().size, (0, 0, 0, 0))
    ink.paste((0, 0, 0, 255), mask=ImageOps.invert(code()))
    assert [each.serial for each in read(ink).codes] == ["S1"]


@pytest.mark.parametrize("kind", ["JPEG", "MPO", "WEBP", "TIFF", "BMP", "GIF"])
def test_the_usual_file_kinds_are_read(kind):
    assert [each.serial for each in decode(png(code(), kind), file="x", today=TODAY).codes] == ["S1"]


def barcode(content: str, kind: zxingcpp.BarcodeFormat) -> Image.Image:
    return draw._decoy(content, kind, 4).convert("L")


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


@pytest.mark.parametrize(
    ("data", "reason", "said"),
    [
        (png(Image.new("L", (300, 300), 255)), "no_code", "No code was found"),
        (png(Image.new("L", (1, 1), 255)), "no_code", "No code was found"),
        (png(barcode("9521234567899", zxingcpp.BarcodeFormat.EAN13)), "no_pack_code", "an EAN-13 price code"),
        (png(barcode("https://example.org", zxingcpp.BarcodeFormat.QRCode)), "no_pack_code", "QR Code"),
        (png(barcode("ABC-123", zxingcpp.BarcodeFormat.Code128)), "no_pack_code", "Code 128"),
        (png(code("HELLO", gs1=False)), "no_pack_code", "not that of a medicine pack"),
        (png(code("héllo €", gs1=False)), "unreadable_code", "bad_character"),
        (png(code(CODE.replace("016[", "017["))), "unreadable_code", "bad_check_digit"),
        (png(code("[01]09520001123016[17]281231[10]L1")), "unreadable_code", "missing_serial"),
        (b"", "not_a_picture", "not a picture"),
        (b"\x00" * 1000, "not_a_picture", "not a picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not_a_picture", "not a picture"),
        (cut(png(code())), "damaged_picture", "damaged or incomplete"),
        (
            cut(png(noisy(code(), 50), "JPEG")),
            "damaged_picture",
            "damaged or incomplete",
        ),
        (png(Image.new("1", (9000, 9000))), "too_large", "9000 x 9000 pixels"),
        (png(Image.new("1", (30000, 30000))), "too_large", "megapixels"),
        (b"\x89PNG" + b"\x00" * MAX_BYTES, "too_large", "32 MiB"),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else value,
)
def test_a_picture_without_a_pack_says_why(data: bytes, reason: str, said: str):
    picture = decode(data, file="x", today=TODAY)
    assert (picture.codes, picture.reason) == ((), reason)
    assert said in (picture.detail or "")


def test_a_bad_code_beside_a_good_one_is_not_lost():
    sheet = Image.new("L", (400, 200), 255)
    sheet.paste(code(), (20, 20))
    sheet.paste(code(CODE.replace("016[", "017[")), (220, 20))
    picture = read(sheet)
    assert [each.serial for each in picture.codes] == ["S1"]
    assert picture.reason is None
    assert [(each.reason, each.serial) for each in picture.unread] == [("bad_check_digit", "S1")]


def test_a_foreign_square_code_beside_a_pack_is_passed_over():
    sheet = Image.new("L", (400, 200), 255)
    sheet.paste(code(), (20, 20))
    sheet.paste(code("PALLET 7", gs1=False), (220, 20))
    assert read(sheet).codes == (EXPECTED,)
    assert read(sheet).unread == ()


@pytest.mark.parametrize("name", ["missing.png", ".", "no/such/folder.png", "x" * 300])
def test_a_file_that_cannot_be_opened_says_so(tmp_path: Path, name: str):
    picture = decode_file(tmp_path / name, today=TODAY)
    assert picture.reason == "no_file"


def test_a_file_is_not_read_beyond_the_limit(tmp_path: Path):
    path = tmp_path / "long.png"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    assert decode_file(path, today=TODAY).reason == "too_large"


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from(["PNG", "JPEG", "TIFF", "GIF", "WEBP", "BMP"]), data=st.data())
def test_damaged_files_never_raise_and_never_read_another_pack(kind: str, data: st.DataObject):
    broken = bytearray(png(code(), kind))
    for _ in range(data.draw(st.integers(1, 6))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    length = data.draw(st.integers(0, len(broken)))
    picture = decode(bytes(broken[:length]), file="x", today=TODAY)
    assert {each.raw for each in picture.codes} <= {EXPECTED.raw}
    assert (picture.reason is None) == bool(picture.codes)
