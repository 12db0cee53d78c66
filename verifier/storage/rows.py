"""Rows to domain values and back; the one place that knows how a GTIN or an expiry date is stored."""

from typing import Any

from sqlalchemy import text

from verifier.domain.codes import PackCode
from verifier.domain.expiry import Expiry
from verifier.domain.pack import Batch, Found, Pack, Product, State
from verifier.domain.ppn import ntin_to_ppn
from verifier.storage.direct import Statement

_FIND = """
SELECT p.gtin, p.profile, p.name, p.strength, p.form, p.pack_size, p.ppn, p.nhrn, p.manufacturer_gln,
       p.withdrawn, k.serial, k.lot, k.expiry, k.state, k.version, k.state_since, k.state_site,
       b.recalled, b.on_hold,
       CASE WHEN k.serial IS NULL
            THEN EXISTS (SELECT 1 FROM batches x WHERE x.gtin = p.gtin AND x.lot = :lot) END AS lot_known
  FROM products p
  LEFT JOIN packs k ON k.gtin = p.gtin AND k.serial = :serial
  LEFT JOIN batches b ON b.gtin = k.gtin AND b.lot = k.lot
 WHERE {product}
"""
BY_GTIN = _FIND.format(product="p.gtin = :gtin")
BY_PPN = _FIND.format(product="p.gtin = :gtin OR p.ppn = :ppn") + " ORDER BY p.gtin <> :gtin LIMIT 1"
FIND, FIND_BY_PPN = Statement(text(BY_GTIN)), Statement(text(BY_PPN))


def ppn_of(code: PackCode) -> str | None:
    """The PPN under which the product may stand: as sent, or that of its NTIN."""
    return code.ppn or ntin_to_ppn(code.gtin)


def find_query(code: PackCode) -> tuple[Statement, dict[str, Any]]:
    """The one statement that answers a scan, with its parameters."""
    values = {"gtin": int(code.gtin), "serial": code.serial, "lot": code.lot}
    ppn = ppn_of(code)
    return (FIND, values) if ppn is None else (FIND_BY_PPN, values | {"ppn": ppn})


def found_of(row: Any | None) -> Found:
    """What the find statement's row (or its absence) says; a row has its columns as attributes."""
    if row is None:
        return Found(None)
    product = product_of(row)
    if row.serial is None:
        return Found(product, lot_known=bool(row.lot_known))
    batch = Batch(product.gtin, row.lot, bool(row.recalled), bool(row.on_hold))
    return Found(product, pack_of(row), batch, lot_known=True)


def product_of(row: Any) -> Product:
    """A row with the columns of `products`."""
    return Product(
        gtin=gtin_of(row.gtin),
        name=row.name,
        strength=row.strength,
        form=row.form,
        pack_size=row.pack_size,
        ppn=row.ppn,
        nhrn=row.nhrn,
        profile=row.profile,
        manufacturer_gln=row.manufacturer_gln,
        withdrawn=row.withdrawn,
    )


def pack_of(row: Any) -> Pack:
    """A row with the columns of `packs`."""
    return Pack(
        gtin=gtin_of(row.gtin),
        serial=row.serial,
        lot=row.lot,
        expiry=Expiry.from_number(row.expiry),
        state=State(row.state),
        version=row.version,
        state_since=row.state_since,
        state_site=row.state_site,
    )


def gtin_of(number: int) -> str:
    """14 digits."""
    return f"{number:014d}"
