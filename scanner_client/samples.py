"""Sample packs with pictures of their codes, the same for the same seed. All products and firms are made up.

GTINs and GLNs use 952, the GS1 prefix set aside for examples; the US pack's NDC and the PZN are made up too.
"""

import csv
import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from string import ascii_uppercase, digits
from typing import Any

from scanner_client import sample_pictures as draw

TODAY = date(2026, 11, 21)
FEWEST = 16  # packs that the pictures need
COLUMNS = (
    "gtin",
    "ppn",
    "serial",
    "lot",
    "expiry",
    "name",
    "strength",
    "form",
    "pack_size",
    "manufacturer_gln",
)
GS, RS, EOT = "\x1d", "\x1e", "\x04"


def check_digit(body: str) -> str:
    """GS1 check digit (modulo 10) of a GTIN or GLN without it."""
    return str(-sum(int(digit) * (3, 1)[place % 2] for place, digit in enumerate(reversed(body))) % 10)


def pzn8(body: str) -> str:
    """PZN of seven digits with its check digit (modulo 11; a rest of 10 is never issued: ValueError)."""
    rest = sum(int(digit) * place for place, digit in enumerate(body, start=1)) % 11
    if rest == 10:  # noqa: PLR2004
        raise ValueError(f"no PZN is issued for {body}")
    return f"{body}{rest}"


def ppn(pzn: str) -> str:
    """PPN of a PZN8: agency 11, then two check digits (modulo 97 over the character codes)."""
    body = f"11{pzn}"
    return f"{body}{sum(ord(char) * place for place, char in enumerate(body, start=2)) % 97:02d}"


@dataclass(frozen=True, slots=True)
class Product:
    """A made-up medicine. `ppn` (12 characters) is empty where the pack carries GS1 elements.

    `gtin` has 14 digits; of a PPN product it is the NTIN, the PZN in a GTIN.
    """

    gtin: str
    ppn: str
    name: str
    strength: str
    form: str
    pack_size: str
    gln: str


@dataclass(frozen=True, slots=True)
class SamplePack:
    """One pack; `expiry` is YYMMDD with day 00 allowed, `expected` the code that a verify should answer."""

    product: Product
    serial: str
    lot: str
    expiry: str
    expected: str = "ok"

    def bracketed(self) -> str:
        """The GS1 element string in brackets, as encoders take it."""
        return f"[01]{self.product.gtin}[21]{self.serial}[17]{self.expiry}[10]{self.lot}"

    def envelope(self) -> str:
        """The format 06 envelope (ISO/IEC 15434) of a PPN pack."""
        elements = (f"9N{self.product.ppn}", f"1T{self.lot}", f"D{self.expiry}", f"S{self.serial}")
        return f"[)>{RS}06{GS}{GS.join(elements)}{RS}{EOT}"

    def row(self) -> tuple[str, ...]:
        """The columns of the CSV; the expiry as a date where it has a day."""
        year, month, day = self.expiry[:2], self.expiry[2:4], self.expiry[4:]
        expiry = self.expiry if day == "00" else f"20{year}-{month}-{day}"
        p = self.product
        return (
            "" if p.ppn else p.gtin,
            p.ppn,
            self.serial,
            self.lot,
            expiry,
            p.name,
            p.strength,
            p.form,
            p.pack_size,
            p.gln,
        )

    def entry(self) -> dict[str, str | None]:
        """The pack in the manifest: elements as a decoder gives them."""
        year, month, day = self.expiry[:2], self.expiry[2:4], self.expiry[4:]
        expiry = f"20{year}-{month}" + ("" if day == "00" else f"-{day}")
        identity = {"gtin": self.product.gtin, "ppn": self.product.ppn or None}
        return {
            **identity,
            "serial": self.serial,
            "lot": self.lot,
            "expiry": expiry,
            "expected": self.expected,
        }


def _closed(body: str) -> str:
    return body + check_digit(body)


_NORTH, _ALPINE, _PRAIRIE = _closed("952000100001"), _closed("952000200001"), _closed("030909900001")

# fmt: off
_PRODUCTS = (
    #  GTIN, no check  name           strength      form                         pack size          firm
    ("0952000112301",  "Cardivexa",  "5 mg",       "film-coated tablets",       "28 tablets",      _NORTH),
    ("0952000112302",  "Cardivexa",  "10 mg",      "film-coated tablets",       "28 tablets",      _NORTH),
    ("0952000145007",  "Nimoprel",   "20 mg",      "gastro-resistant capsules", "56 capsules",     _NORTH),
    ("0952000178015",  "Trevastin",  "40 mg",      "film-coated tablets",       "100 tablets",     _NORTH),
    ("0952000203318",  "Oxalinor",   "100 mg/ml",  "solution for infusion",     "1 vial of 20 ml", _ALPINE),
    ("0952000217440",  "Insuvelle",  "100 U/ml",   "pre-filled pen",            "5 pens of 3 ml",  _ALPINE),
    ("0952000264129",  "Bronchosan", "50 mcg/dose","pressurised inhalation",   "1 inhaler",       _ALPINE),
)
# fmt: on
EU_PRODUCTS = tuple(Product(_closed(body), "", *rest) for body, *rest in _PRODUCTS)
_PZN = pzn8("9900125")
PPN_PRODUCT = Product(
    _closed(f"04150{_PZN}"), ppn(_PZN), "Dolorexan", "600 mg", "tablets", "20 tablets", _ALPINE
)
US_PRODUCT = Product(
    _closed("0030909912340"), "", "Lisovarin", "20 mg", "tablets, USP", "90 tablets", _PRAIRIE
)


def make_packs(rng: random.Random, products: Sequence[Product], count: int, today: date) -> list[SamplePack]:
    """`count` packs in date, spread over the products; a lot has one product and one expiry."""
    lots = {product: [(_lot(rng), _expiry(rng, today)) for _ in range(2)] for product in products}
    packs = []
    for number in range(count):
        product = products[number % len(products)]
        lot, expiry = rng.choice(lots[product])
        packs.append(SamplePack(product, _serial(rng), lot, expiry))
    return packs


def write_samples(folder: Path, *, seed: int = 1, packs: int = 48, today: date = TODAY) -> dict[str, Any]:
    """Write `packs.csv`, `packs-us.csv`, `pictures/` and `manifest.json`; return the manifest.

    Args:
        folder: made if missing; files of the same name are replaced.
        seed: the same seed gives the same bytes of CSV and the same pixels.
        packs: rows of `packs.csv`, at least `FEWEST`.
        today: all packs but the expired one are in date at least a year from then.

    Raises:
        ValueError: fewer than `FEWEST` packs are asked for.
    """
    if packs < FEWEST:
        raise ValueError(f"at least {FEWEST} packs are needed for the pictures")
    rng = random.Random(seed)  # noqa: S311 - samples have to be the same again
    expired, month, german = _special(rng, today)
    usual = make_packs(rng, EU_PRODUCTS, packs - 3, today)
    american = make_packs(rng, (US_PRODUCT,), 4, today)
    falsified = [
        replace(usual[0], serial=_serial(rng), expected="unknown_serial"),
        replace(usual[1], lot=_lot(rng), expected="lot_mismatch"),
        replace(usual[2], serial=_serial(rng), lot=_lot(rng), expected="unknown_batch"),
    ]
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    _write_csv(folder / "packs.csv", [expired, month, german, *usual])
    _write_csv(folder / "packs-us.csv", american)

    shown = {
        "expired": [expired],
        "month_only": [month],
        "ppn": [german],
        "us": american[:1],
        **{pack.expected: [pack] for pack in falsified},
    }
    plan = [(name, "clean", group) for name, group in shown.items()]
    plan += [(f"{kind}_{n}", kind, [usual[place]]) for kind, n, place in _single_pictures()]
    plan += [("several", "several", usual[3:9]), ("scene", "scene", [usual[11]])]
    plan += [("ean_only", "ean_only", []), ("qr_only", "qr_only", [])]
    pictures = [_write_picture(folder, name, kind, group, seed) for name, kind, group in plan]
    manifest: dict[str, Any] = {"seed": seed, "today": today.isoformat(), "pictures": pictures}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return manifest


def _single_pictures() -> Iterable[tuple[str, int, int]]:
    """Kind, number and place of the pack for the pictures of one good pack each."""
    kinds = (
        "clean",
        "clean",
        "clean",
        "rotated",
        "rotated",
        "blurred",
        "blurred",
        "low_contrast",
        "low_contrast",
    )
    for place, kind in enumerate(kinds):
        yield kind, kinds[: place + 1].count(kind), place + 3


def _special(rng: random.Random, today: date) -> tuple[SamplePack, SamplePack, SamplePack]:
    """An expired pack, one that expires with a month (day 00), and one with a PPN."""
    past = today - timedelta(days=400)
    month = _expiry(rng, today)[:4] + "00"
    return (
        SamplePack(EU_PRODUCTS[0], _serial(rng), _lot(rng), f"{past:%y%m%d}", "expired"),
        SamplePack(EU_PRODUCTS[3], _serial(rng), _lot(rng), month),
        SamplePack(PPN_PRODUCT, _serial(rng), _lot(rng), _expiry(rng, today)),
    )


def _serial(rng: random.Random) -> str:
    return "".join(rng.choices(ascii_uppercase + digits, k=rng.randint(12, 16)))


def _lot(rng: random.Random) -> str:
    return "".join(rng.choices(ascii_uppercase, k=2)) + "".join(rng.choices(digits, k=rng.randint(4, 6)))


def _expiry(rng: random.Random, today: date) -> str:
    return f"{today + timedelta(days=rng.randint(400, 1400)):%y%m%d}"


def _write_csv(path: Path, packs: Iterable[SamplePack]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(pack.row() for pack in packs)


def _write_picture(
    folder: Path, name: str, kind: str, packs: list[SamplePack], seed: int
) -> dict[str, object]:
    faces = [_face(pack) for pack in packs]
    picture = draw.picture(kind, faces, random.Random(f"{seed} {name}"))  # noqa: S311
    file = f"pictures/{name}.{'png' if kind == 'clean' else 'jpg'}"
    picture.save(folder / file, quality=90)
    return {"file": file, "kind": kind, "packs": [pack.entry() for pack in packs]}


def _face(pack: SamplePack) -> draw.Face:
    product = pack.product
    month = f"{pack.expiry[2:4]}/20{pack.expiry[:2]}"
    printed = month if pack.expiry[4:] == "00" else f"{pack.expiry[4:]}/{month}"
    number = f"PPN {product.ppn}" if product.ppn else f"PC {product.gtin}"
    return draw.Face(
        title=product.name,
        subtitle=f"{product.strength} {product.form}",
        lines=(number, f"SN {pack.serial}", f"LOT {pack.lot}", f"EXP {printed}"),
        code=pack.envelope() if product.ppn else pack.bracketed(),
        gs1=not product.ppn,
    )
