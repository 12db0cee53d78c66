"""Picture to pack codes: Data Matrix symbols found, read and parsed. Knows neither network nor terminal.

The reader's `text` is never used: it is the bracketed human-readable form, in which an unknown or over-long
element is cut and read as others. Its bytes with the AIM identifier (ISO/IEC 15424) are what was printed.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import zxingcpp
from PIL import Image, ImageFilter

from scanner_client.pictures import PictureFault, gray, read_file
from verifier.domain.codes import PackCode, parse

_SQUARE_CODE = "Scan the square Data Matrix code of the pack."
_DATA_MATRIX = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.DataMatrix)
_DOUBLE_UP_TO = 4_000_000  # pixels; a larger picture has enough of them
_LATER_STEPS = 12_000_000  # pixels that all steps after the first work on: a bound for what a miss may cost


@dataclass(frozen=True, slots=True)
class DecodedCode:
    """One pack code of a picture.

    `raw` is what was printed, led by the AIM identifier, ready to be sent; `symbology` that identifier;
    `expiry` `YYYY-MM-DD`, or `YYYY-MM` where the day is 00; `stage` the step of the cascade that read it.
    Beside a PPN, `gtin` is its NTIN.
    """

    gtin: str
    ppn: str | None
    serial: str
    lot: str | None
    expiry: str | None
    raw: str
    symbology: str
    stage: str


@dataclass(frozen=True, slots=True)
class UnreadCode:
    """A symbol that is no complete pack code; `gtin` and `serial` where they can be recognised."""

    raw: str
    reason: str
    detail: str
    gtin: str | None
    serial: str | None


@dataclass(frozen=True, slots=True)
class Picture:
    """What a picture shows: packs in reading order, without repeats.

    `reason` (a code) and `detail` (a sentence) are set when no pack code was read: `no_file` `not_a_picture`
    `damaged_picture` `too_large` `no_code` `no_pack_code` `unreadable_code`. `unread` are Data Matrix symbols
    that look like a pack's and fail its rules; they may stand beside good ones.
    """

    file: str
    codes: tuple[DecodedCode, ...] = ()
    reason: str | None = None
    detail: str | None = None
    unread: tuple[UnreadCode, ...] = ()


@dataclass(frozen=True, slots=True)
class _Step:
    """One try: the picture prepared, and by how many degrees that turned it (counter-clockwise)."""

    name: str
    prepare: Callable[[Image.Image], Image.Image]
    turned: float = 0.0
    up_to: float = math.inf  # pixels


def _local_threshold(picture: Image.Image, radius: int = 30) -> Image.Image:
    """Black where darker than its neighbourhood's mean, white elsewhere."""
    mean = np.asarray(picture.filter(ImageFilter.BoxBlur(radius)))
    return Image.fromarray(np.where(np.asarray(picture) < mean, 0, 255).astype(np.uint8))


def _blur(picture: Image.Image) -> Image.Image:
    return picture.filter(ImageFilter.GaussianBlur(2))


def _resized(picture: Image.Image, factor: float) -> Image.Image:
    size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    return picture.resize(size, Image.Resampling.BICUBIC)


def _at_most(picture: Image.Image, pixels: int) -> Image.Image:
    has = picture.width * picture.height
    return picture if has <= pixels else _resized(picture, math.sqrt(pixels / has))


def _turned(picture: Image.Image) -> Image.Image:
    return picture.rotate(22.5, Image.Resampling.BILINEAR, expand=True, fillcolor=255)


# The cheapest first; each later step was chosen for what the earlier ones leave unread.
_CASCADE = (
    _Step("plain", lambda picture: picture),
    _Step("blur_threshold", lambda picture: _local_threshold(_blur(picture))),
    _Step("rotate", _turned, turned=22.5),
    _Step("threshold", _local_threshold),
    _Step("half", lambda picture: _resized(picture, 0.5)),
    _Step("unsharp", lambda picture: picture.filter(ImageFilter.UnsharpMask(2, 200, 0))),
    _Step("double", lambda picture: _resized(picture, 2), up_to=_DOUBLE_UP_TO),
)


def decode_file(path: Path, *, today: date) -> Picture:
    """`decode` for a file; one that cannot be opened is a picture with the reason `no_file`."""
    data = read_file(path)
    if isinstance(data, PictureFault):
        return Picture(str(path), reason=data.reason, detail=data.detail)
    return decode(data, file=str(path), today=today)


def decode(data: bytes, *, file: str, today: date) -> Picture:
    """Every pack code on a picture (the bytes of a file). Never raises for bad pictures.

    Stops at the first step of the cascade that yields a pack code: a pack that only a later step would read
    stays unread beside one that is clear, so the caller should show how many were read.
    """
    picture = gray(data)
    if isinstance(picture, PictureFault):
        return Picture(file, reason=picture.reason, detail=picture.detail)
    unread: dict[str, UnreadCode] = {}
    for step in _CASCADE:
        if picture.width * picture.height > step.up_to:
            continue
        codes = _codes(step, picture, today, unread)
        if codes:
            packs = tuple(code for code in unread.values() if code.reason != "not_a_pack_code")
            return Picture(file, codes, unread=packs)
        picture = _at_most(picture, _LATER_STEPS)
    return _nothing(file, picture, tuple(unread.values()))


def _codes(
    step: _Step, picture: Image.Image, today: date, unread: dict[str, UnreadCode]
) -> tuple[DecodedCode, ...]:
    """The pack codes that one step reads, without repeats; what it finds beside them is added to `unread`."""
    codes: dict[tuple[str | None, ...], DecodedCode] = {}
    for symbol in _symbols(step, picture):
        code = _code(symbol, step.name, today)
        if isinstance(code, UnreadCode):
            unread.setdefault(code.raw, code)
        else:
            codes.setdefault((code.gtin, code.ppn, code.serial, code.lot, code.expiry), code)
    return tuple(codes.values())


def _symbols(step: _Step, picture: Image.Image) -> list[zxingcpp.Barcode]:
    """Data Matrix symbols of the prepared picture, in reading order of the picture as it was."""
    found = zxingcpp.read_barcodes(np.asarray(step.prepare(picture)), formats=_DATA_MATRIX)
    return list(_reading_order([symbol for symbol in found if symbol.valid], step.turned))


def _reading_order(symbols: list[zxingcpp.Barcode], turned: float) -> Iterator[zxingcpp.Barcode]:
    """Top to bottom, left to right; what overlaps a row's first symbol by half is in that row."""
    placed = sorted(((*_centre(symbol, turned), symbol) for symbol in symbols), key=lambda at: (at[1], at[0]))
    while placed:
        top = placed[0][1] + _height(placed[0][2]) / 2
        row = [at for at in placed if at[1] <= top]
        placed = placed[len(row) :]
        for _, _, symbol in sorted(row, key=lambda at: at[0]):
            yield symbol


def _corners(symbol: zxingcpp.Barcode) -> tuple[zxingcpp.Point, ...]:
    at = symbol.position
    return at.top_left, at.top_right, at.bottom_right, at.bottom_left


def _centre(symbol: zxingcpp.Barcode, turned: float) -> tuple[float, float]:
    corners = _corners(symbol)
    x, y = sum(p.x for p in corners) / 4, sum(p.y for p in corners) / 4
    cos, sin = math.cos(math.radians(turned)), math.sin(math.radians(turned))
    return x * cos - y * sin, x * sin + y * cos


def _height(symbol: zxingcpp.Barcode) -> int:
    heights = [corner.y for corner in _corners(symbol)]
    return max(heights) - min(heights)


def _code(symbol: zxingcpp.Barcode, stage: str, today: date) -> DecodedCode | UnreadCode:
    identifier = symbol.symbology_identifier
    try:
        raw = identifier + symbol.bytes.decode("ascii")
    except UnicodeDecodeError:
        raw = identifier + symbol.bytes.decode("ascii", "backslashreplace")
        return UnreadCode(raw, "bad_character", "The code holds characters outside ASCII.", None, None)
    pack = parse(raw, today=today)
    if not isinstance(pack, PackCode):
        return UnreadCode(raw, pack.reason, pack.detail, pack.gtin, pack.serial)
    expiry = pack.expiry.iso() if pack.expiry else None
    return DecodedCode(pack.gtin, pack.ppn, pack.serial, pack.lot, expiry, raw, identifier, stage)


def _nothing(file: str, picture: Image.Image, unread: tuple[UnreadCode, ...]) -> Picture:
    """The best reason why no pack code was read."""
    packs = tuple(code for code in unread if code.reason != "not_a_pack_code")
    if packs:
        return Picture(
            file, reason="unreadable_code", detail=f"{packs[0].reason}: {packs[0].detail}", unread=packs
        )
    if unread:
        detail = "This square code is not that of a medicine pack, or not in a known form."
        return Picture(file, reason="no_pack_code", detail=detail)
    for symbol in zxingcpp.read_barcodes(np.asarray(picture)):
        if symbol.valid:
            detail = f"This is {_kind(symbol.format)}. {_SQUARE_CODE}"
            return Picture(file, reason="no_pack_code", detail=detail)
    detail = "No code was found. Hold the pack nearer, flat and sharp, without reflections."
    return Picture(file, reason="no_code", detail=detail)


def _kind(code: zxingcpp.BarcodeFormat) -> str:
    match code:
        case zxingcpp.BarcodeFormat.EAN13 | zxingcpp.BarcodeFormat.EAN8:
            return f"an {code} price code"
        case zxingcpp.BarcodeFormat.UPCA | zxingcpp.BarcodeFormat.UPCE:
            return f"a {code} price code"
        case zxingcpp.BarcodeFormat.PZN | zxingcpp.BarcodeFormat.Code39:
            return "a line code, as for a PZN"
        case _:
            return f"another kind of code ({code})"
