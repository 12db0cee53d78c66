"""Drawing of pack faces with real codes, and what a camera does to them. Knows text and pixels, no packs."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import zxingcpp
from PIL import Image, ImageDraw, ImageFilter, ImageFont

FACE = (760, 300)
SCENE = (4000, 3000)
_INK, _PAPER, _MARGIN = 24, 250, 28
_TABLE = (190, 176, 158)
_HUES = ((0, 92, 138), (150, 40, 60), (30, 112, 84), (98, 70, 140), (170, 98, 20))


@dataclass(frozen=True, slots=True)
class Face:
    """The printed side of a pack; `code` in brackets if `gs1`, else as it is."""

    title: str
    subtitle: str
    lines: tuple[str, ...]
    code: str
    gs1: bool = True


def symbol(code: str, *, gs1: bool, module: int) -> Image.Image:
    """A square Data Matrix (ECC 200) with its quiet zone, `module` pixels a module."""
    made = zxingcpp.create_barcode(code, zxingcpp.BarcodeFormat.DataMatrix, gs1=gs1, force_square=True)
    return Image.fromarray(np.asarray(made.to_image(scale=module)))


def face(pack: Face, rng: random.Random, *, module: int = 6) -> Image.Image:
    """One pack face in colour, `FACE` pixels large; fits symbols up to 36 modules."""
    sheet = Image.new("RGB", FACE, (_PAPER,) * 3)
    pen = ImageDraw.Draw(sheet)
    hue = rng.choice(_HUES)
    pen.rectangle((0, 0, FACE[0], 14), fill=hue)
    pen.text((_MARGIN, 34), pack.title, fill=hue, font=ImageFont.load_default(46))
    pen.text((_MARGIN, 94), pack.subtitle, fill=(_INK,) * 3, font=ImageFont.load_default(23))
    for place, line in enumerate(pack.lines):
        pen.text((_MARGIN, 146 + 34 * place), line, fill=(_INK,) * 3, font=ImageFont.load_default(24))
    code = symbol(pack.code, gs1=pack.gs1, module=module)
    sheet.paste(code, (FACE[0] - code.width - _MARGIN, (FACE[1] - code.height) // 2 + 7))
    return sheet


def picture(kind: str, faces: Sequence[Face], rng: random.Random) -> Image.Image:
    """A picture of the packs, of one of the kinds in `KINDS`; the same for the same state of `rng`."""
    return KINDS[kind](faces, rng)


def _clean(faces: Sequence[Face], rng: random.Random) -> Image.Image:
    return _on_table(face(faces[0], rng), 40)


def _rotated(faces: Sequence[Face], rng: random.Random) -> Image.Image:
    angle = rng.choice((-1, 1)) * rng.uniform(12, 170)
    return _noisy(_turn(_on_table(face(faces[0], rng), 40), angle), rng, 4)


def _blurred(faces: Sequence[Face], rng: random.Random) -> Image.Image:
    soft = _on_table(face(faces[0], rng), 40).filter(ImageFilter.GaussianBlur(6 * rng.uniform(0.3, 0.45)))
    return _noisy(soft, rng, 4)


def _low_contrast(faces: Sequence[Face], rng: random.Random) -> Image.Image:
    base, span = rng.uniform(90, 150), rng.uniform(0.1, 0.2)
    return _noisy(
        _on_table(face(faces[0], rng), 40).point(lambda level: round(base + span * (level - 128))), rng, 2
    )


def _several(faces: Sequence[Face], rng: random.Random) -> Image.Image:
    """Packs laid out in two columns, each a little askew."""
    cell = (FACE[0] + 120, FACE[1] + 120)
    table = Image.new("RGB", (2 * cell[0], -(-len(faces) // 2) * cell[1]), _TABLE)
    for place, each in enumerate(faces):
        laid = _turn(face(each, rng), rng.uniform(-5, 5))
        at = (
            place % 2 * cell[0] + (cell[0] - laid.width) // 2,
            place // 2 * cell[1] + (cell[1] - laid.height) // 2,
        )
        table.paste(laid, at)
    return _noisy(table, rng, 4)


def _scene(faces: Sequence[Face], rng: random.Random) -> Image.Image:
    """A counter from above: one small pack among a price code, a poster's QR code and shadows."""
    shade = np.linspace(1.0, 0.72, SCENE[0])[None, :] * np.linspace(1.0, 0.86, SCENE[1])[:, None]
    counter = Image.merge(
        "RGB", [Image.fromarray((shade * level).astype(np.uint8)) for level in (188, 170, 148)]
    )
    counter.paste(_turn(_decoy("9521234567899", zxingcpp.BarcodeFormat.EAN13, 5), 7), (420, 380))
    counter.paste(_decoy("https://example.org/leaflet", zxingcpp.BarcodeFormat.QRCode, 9), (3150, 300))
    angle = rng.uniform(-25, 25)
    pack = face(faces[0], rng, module=5)
    outline = Image.new("L", pack.size, 255).rotate(angle, expand=True)
    counter.paste(_turn(pack, angle), (rng.randint(900, 2200), rng.randint(1100, 2000)), outline)
    return _noisy(counter.filter(ImageFilter.GaussianBlur(0.8)), rng, 5)


def _decoy_only(
    kind: zxingcpp.BarcodeFormat, content: str, _faces: Sequence[Face], rng: random.Random
) -> Image.Image:
    return _noisy(_on_table(_decoy(content, kind, 4), 60), rng, 4)


def _decoy(content: str, kind: zxingcpp.BarcodeFormat, module: int) -> Image.Image:
    made = np.asarray(zxingcpp.create_barcode(content, kind).to_image(scale=module))
    return _on_table(Image.fromarray(made).convert("RGB"), 30, (255, 255, 255))


def _on_table(sheet: Image.Image, rim: int, colour: tuple[int, int, int] = _TABLE) -> Image.Image:
    table = Image.new("RGB", (sheet.width + 2 * rim, sheet.height + 2 * rim), colour)
    table.paste(sheet, (rim, rim))
    return table


def _turn(sheet: Image.Image, angle: float) -> Image.Image:
    return sheet.rotate(angle, Image.Resampling.BICUBIC, expand=True, fillcolor=_TABLE)


def _noisy(sheet: Image.Image, rng: random.Random, sigma: float) -> Image.Image:
    """Sensor noise, the same in all channels, `sigma` in gray levels."""
    patch = np.random.default_rng(rng.getrandbits(64)).normal(0, sigma, (512, 512))
    repeats = (-(-sheet.height // 512), -(-sheet.width // 512))
    noise = np.tile(np.rint(patch).astype(np.int16), repeats)[: sheet.height, : sheet.width, None]
    return Image.fromarray(np.clip(np.asarray(sheet) + noise, 0, 255).astype(np.uint8))


KINDS: dict[str, Callable[[Sequence[Face], random.Random], Image.Image]] = {
    "clean": _clean,
    "rotated": _rotated,
    "blurred": _blurred,
    "low_contrast": _low_contrast,
    "several": _several,
    "scene": _scene,
    "ean_only": partial(_decoy_only, zxingcpp.BarcodeFormat.EAN13, "9521234567899"),
    "qr_only": partial(_decoy_only, zxingcpp.BarcodeFormat.QRCode, "https://example.org/leaflet"),
}
