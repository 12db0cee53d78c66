import csv
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops

from scanner_client.samples import (
    EU_PRODUCTS,
    FEWEST,
    PPN_PRODUCT,
    US_PRODUCT,
    check_digit,
    ppn,
    pzn8,
    write_samples,
)

TODAY = date(2026, 11, 21)
COLUMNS = "gtin,ppn,serial,lot,expiry,name,strength,form,pack_size,manufacturer_gln"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def packs(manifest: dict[str, Any], expected: str) -> list[dict[str, str]]:
    return [pack for shown in manifest["pictures"] for pack in shown["packs"] if pack["expected"] == expected]


@pytest.mark.parametrize(
    ("body", "digit"),
    [("0952000112301", "6"), ("0501234567890", "0"), ("400000000000", "6"), ("0030909912340", "0")],
)
def test_check_digits_are_those_of_gs1(body, digit):
    assert check_digit(body) == digit


def test_a_ppn_has_the_check_digits_of_ifa():
    assert ppn(pzn8("0375286")) == "110375286414"


def test_a_pzn_with_the_rest_ten_is_never_made():
    with pytest.raises(ValueError):
        pzn8("9900123")


def test_every_gtin_and_gln_is_whole_and_from_a_range_for_examples():
    for product in EU_PRODUCTS:
        assert (product.gtin[:4], product.gln[:3]) == ("0952", "952")
    for product in (*EU_PRODUCTS, PPN_PRODUCT, US_PRODUCT):
        assert (len(product.gtin), len(product.gln)) == (14, 13)
        assert product.gtin[-1] == check_digit(product.gtin[:-1])
        assert product.gln[-1] == check_digit(product.gln[:-1])
    assert PPN_PRODUCT.gtin[5:13] == PPN_PRODUCT.ppn[2:10]
    assert US_PRODUCT.gtin.startswith("003")


def test_the_same_seed_gives_the_same_bytes_and_pixels_and_another_seed_does_not(samples, tmp_path):
    folder, manifest = samples
    assert write_samples(tmp_path / "again", seed=7) == manifest
    for name in ("packs.csv", "packs-us.csv", "manifest.json"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()
    for shown in manifest["pictures"]:
        first, second = (Image.open(place / shown["file"]) for place in (folder, tmp_path / "again"))
        assert ImageChops.difference(first, second).getbbox() is None, shown["file"]
    assert write_samples(tmp_path / "other", seed=8) != manifest


def test_the_csv_has_the_columns_of_the_loader_and_as_many_packs_as_asked(tmp_path):
    write_samples(tmp_path, seed=1, packs=FEWEST)
    for name, count in (("packs.csv", FEWEST), ("packs-us.csv", 4)):
        assert (tmp_path / name).read_text(encoding="utf-8").splitlines()[0] == COLUMNS
        assert len(rows(tmp_path / name)) == count
    with pytest.raises(ValueError):
        write_samples(tmp_path, packs=FEWEST - 1)


def test_a_pack_is_unique_and_a_lot_has_one_expiry(samples):
    listed = rows(samples[0] / "packs.csv")
    assert len({(row["gtin"] + row["ppn"], row["serial"]) for row in listed}) == len(listed)
    lots = {(row["gtin"] + row["ppn"], row["lot"], row["expiry"]) for row in listed}
    assert len({lot[:2] for lot in lots}) == len(lots)


def test_the_packs_of_the_pictures_stand_in_the_csv_unless_they_are_false(samples):
    folder, manifest = samples
    listed = {
        (row["serial"], row["lot"]) for row in rows(folder / "packs.csv") + rows(folder / "packs-us.csv")
    }
    serials = {serial for serial, _ in listed}
    lots = {lot for _, lot in listed}
    assert all(
        (pack["serial"], pack["lot"]) in listed for pack in packs(manifest, "ok") + packs(manifest, "expired")
    )
    (unknown,), (other_lot,) = packs(manifest, "unknown_serial"), packs(manifest, "lot_mismatch")
    (nowhere,) = packs(manifest, "unknown_batch")
    assert unknown["serial"] not in serials
    assert unknown["lot"] in lots
    assert other_lot["serial"] in serials
    assert other_lot["lot"] not in lots
    assert nowhere["serial"] not in serials
    assert nowhere["lot"] not in lots


def test_only_the_expired_pack_is_out_of_date(samples):
    _, manifest = samples
    (expired,) = packs(manifest, "expired")
    assert expired["expiry"] < TODAY.isoformat()
    assert all(pack["expiry"] > "2027-11" for pack in packs(manifest, "ok"))


def test_day_00_stays_in_the_csv_and_is_a_month_in_the_manifest(samples):
    folder, manifest = samples
    (month,) = next(
        shown["packs"] for shown in manifest["pictures"] if shown["file"] == "pictures/month_only.png"
    )
    (row,) = (row for row in rows(folder / "packs.csv") if row["serial"] == month["serial"])
    assert row["expiry"] == month["expiry"][2:4] + month["expiry"][5:] + "00"


def test_the_manifest_on_disk_is_what_was_returned(samples):
    folder, manifest = samples
    assert json.loads((folder / "manifest.json").read_text(encoding="utf-8")) == manifest
    assert {shown["file"] for shown in manifest["pictures"]} == {
        f"pictures/{path.name}" for path in (folder / "pictures").iterdir()
    }
