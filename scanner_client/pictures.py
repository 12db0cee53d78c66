"""Picture files: bytes become one gray plane, or a reason why not. Knows nothing of codes."""

import struct
import warnings
import zlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

MAX_BYTES = 32 * 2**20
MAX_PIXELS = 64_000_000
# What cameras and scanners write. Others start outside programs (EPS), or are read by little-used code.
FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF")
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif"})

# What Pillow raises on damaged files, beside its own errors (which are OSErrors).
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    ArithmeticError,
    RuntimeError,
    MemoryError,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True, slots=True)
class PictureFault:
    """Why a file cannot be looked at: a code for programs, a sentence for people."""

    reason: str
    detail: str


def read_file(path: Path) -> bytes | PictureFault:
    """The bytes of a picture file, at most `MAX_BYTES` of them."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        return PictureFault("no_file", f"The file cannot be read: {error.strerror or error}.")
    return data if len(data) <= MAX_BYTES else _too_large(f"more than {MAX_BYTES // 2**20} MiB")


def gray(data: bytes) -> Image.Image | PictureFault:
    """The first frame of a picture as an upright gray plane (Pillow mode `L`).

    The size is judged from the header, before a pixel is unpacked.
    """
    if len(data) > MAX_BYTES:
        return _too_large(f"more than {MAX_BYTES // 2**20} MiB")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of large pictures; the limit here is lower
            picture = Image.open(BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError:
        return _too_large(f"more than {MAX_PIXELS // 10**6} megapixels")
    except _DAMAGE:
        return PictureFault(
            "not_a_picture", "This is not a picture that can be read (PNG, JPEG, WebP, TIFF, BMP, GIF)."
        )
    if picture.width * picture.height > MAX_PIXELS:
        return _too_large(f"{picture.width} x {picture.height} pixels")
    try:
        return _upright_gray(picture)
    except _DAMAGE:
        return PictureFault(
            "damaged_picture", "The picture file is damaged or incomplete. Take the picture again."
        )


def _upright_gray(picture: Image.Image) -> Image.Image:
    picture.draft("L", picture.size)  # JPEG: unpack the gray channel only
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith(("I", "F")):
        return _eight_bits(picture)
    if picture.has_transparency_data:
        paper = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(paper, picture.convert("RGBA"))
    return picture.convert("L")


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Deep gray pictures, stretched: Pillow's own conversion clips them at 255."""
    deep = np.nan_to_num(np.asarray(picture, dtype=np.float64))
    low, high = float(deep.min()), float(deep.max())
    return Image.fromarray(((deep - low) * (255 / ((high - low) or 1))).astype(np.uint8))


def _too_large(size: str) -> PictureFault:
    return PictureFault(
        "too_large", f"The picture is too large ({size}). Take it smaller or cut out the code."
    )
