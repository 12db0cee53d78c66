"""Files of packs, and what stands in the database after they were loaded."""

import itertools
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from verifier.cli.load import load_file
from verifier.domain.gs1 import check_digit

HEADER = "gtin,serial,lot,expiry"
# getrusage(2) gives KiB on Linux
_PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
_numbers = itertools.count(1)


def new_gtin(prefix: str = "0599") -> str:
    payload = f"{prefix}{next(_numbers):0{13 - len(prefix)}d}"
    return payload + check_digit(payload)


def many(count: int, gtin: str) -> Iterable[str]:
    return (f"{gtin},SERIAL{number:08d},LOT{number // 10_000},2027-12-31" for number in range(count))


class Desk:
    """Somebody who loads files into this database."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = engine
        self.folder = folder
        self.rejected: list[str] = []

    def file(self, *rows: str, header: str = HEADER, name: str = "packs.csv") -> Path:
        path = self.folder / name
        path.write_text("\n".join([header, *rows, ""]))
        return path

    def load(self, *rows: str, header: str = HEADER, profile: str = "eu_fmd", dry_run: bool = False) -> str:
        """The counts, as `rows/loaded/skipped/rejected`; what was rejected stands in `rejected`."""
        result = load_file(self.engine, self.file(*rows, header=header), profile, dry_run)
        rejects = result["rejects_file"]
        self.rejected = Path(rejects).read_text().splitlines()[1:] if rejects else []
        return "/".join(str(result[name]) for name in ("rows", "loaded", "skipped", "rejected"))

    def stored(self, table: str, gtin: str, columns: str = "*") -> list[tuple[Any, ...]]:
        query = text(f"SELECT {columns} FROM {table} WHERE gtin = :gtin ORDER BY 1, 2")  # noqa: S608
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(query, {"gtin": int(gtin)})]

    def packs(self, gtin: str) -> list[tuple[Any, ...]]:
        return self.stored("packs", gtin, "serial, lot, expiry, sscc, state, version, state_site")

    def run(self, statement: str, **values: Any) -> None:
        with self.engine.begin() as connection:
            connection.execute(text(statement), values)

    def peak(self, path: Path) -> int:
        """Peak memory of `verifier load`, in MiB; asked by a small process, whose own it includes."""
        process = self.command(path, before=("-c", _PEAK, sys.executable))
        out, said = process.communicate()
        assert process.returncode == 0, said
        return int(out.split()[-1]) // 1024

    def command(self, *arguments: str | Path, before: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        """`verifier load …` in a process of its own, on this database."""
        url = self.engine.url.render_as_string(hide_password=False)
        clean = {name: value for name, value in os.environ.items() if not name.startswith("VERIFIER_")}
        return subprocess.Popen(
            [sys.executable, *before, "-m", "verifier", "load", *map(str, arguments)],
            env=clean | {"VERIFIER_HOME": str(self.folder), "VERIFIER_DATABASE_URL": url},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
