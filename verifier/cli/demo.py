"""`verifier demo`: the main job, end to end, on real input, with nothing faked and everything checked.

It starts the service as a user would, decodes pictures of packs, and speaks to it over OAuth-secured HTTP.
Whatever does not come out as it must ends the demo with exit code 1.
"""

import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from scanner_client.checker import Ask, CheckResult, Run
from scanner_client.decode import decode_file
from scanner_client.display import show_result
from scanner_client.remote import Remote
from scanner_client.samples import write_samples
from verifier.cli.demo_network import network
from verifier.cli.demo_places import DemoFailed, Place

LOOK = {"green": "bold green", "amber": "bold yellow", "red": "bold red", "grey": "bold"}
PEOPLE = {
    # name              GLN              type            scopes
    "corner pharmacy": ("4012345000016", "pharmacy", "verify dispense decommission alerts:read audit:read"),
    "other pharmacy": ("4012345000023", "pharmacy", "verify dispense"),
    "wholesaler": ("4012345000047", "wholesaler", "verify returns"),
    "authority": ("4012345000061", "authority", "verify recalls:write alerts:read audit:read"),
}


class Desk:
    """One site with its scanner."""

    def __init__(self, name: str, remote: Remote) -> None:
        self.name = name
        self._remote = remote

    def scan(self, operation: str, picture: Path, **more: Any) -> list[CheckResult]:
        """Decode a picture and ask the service about every pack on it."""

        def ask(code: str, mode: str, key: str) -> Any:
            if operation in ("verify", "returns_check"):
                return getattr(self._remote, operation)(code, entry_mode=mode, **more)
            return getattr(self._remote, operation)(code, entry_mode=mode, idempotency_key=key, **more)

        asked: Ask = ask
        return list(Run(asked, datetime.now(UTC).date()).picture(picture))


class Demo:
    """The steps, each printed and checked."""

    def __init__(self, folder: Path, console: Console) -> None:
        self.folder = folder
        self.place = Place(folder)
        self.console = console
        self.pictures: list[dict[str, Any]] = []
        self.desks: dict[str, Desk] = {}
        self.tokens: dict[str, tuple[str, str]] = {}
        self.step_number = 0

    def step(self, title: str) -> None:
        """The next step's headline."""
        self.step_number += 1
        self.console.print(f"\n[bold]{self.step_number}. {title}[/bold]")

    def expect(self, what: str, found: Any, wanted: Any) -> None:
        """Stop when it is not so."""
        if found != wanted:
            raise DemoFailed(f"{what}: {found!r} where {wanted!r} was due")

    def entry(self, name: str) -> dict[str, Any]:
        """A sample picture's entry in the manifest."""
        return next(entry for entry in self.pictures if Path(entry["file"]).stem == name)

    def picture(self, name: str) -> Path:
        """A sample picture by its name."""
        return self.folder / str(self.entry(name)["file"])

    def decode(self) -> None:
        """Every picture must show the packs of the manifest, and no other."""
        self.step("Read the square codes on the sample pictures")
        kinds: Counter[str] = Counter()
        for entry in self.pictures:
            decoded = decode_file(self.folder / entry["file"], today=datetime.now(UTC).date())
            wanted = [(p["gtin"], p["serial"], p["lot"], p["expiry"]) for p in entry["packs"]]
            read = [(c.gtin, c.serial, c.lot, c.expiry) for c in decoded.codes]
            self.expect(entry["file"], sorted(read), sorted(wanted))
            kinds[entry["kind"]] += len(read)
        shown = ", ".join(f"{kind.replace('_', ' ')} {count}" for kind, count in kinds.items() if count)
        self.console.print(
            f"   {len(self.pictures)} pictures, {kinds.total()} codes read, all right: {shown}"
        )

    def verify(self) -> None:
        """Every pack must get the answer that its manifest expects."""
        self.step("Verify them at the corner pharmacy")
        table = Table("picture", "product", "signal", "what the person reads", box=None, padding=(0, 2, 0, 3))
        for entry in (e for e in self.pictures if e["packs"]):
            results = self.desks["corner pharmacy"].scan("verify", self.folder / entry["file"])
            expected = {p["serial"]: p["expected"] for p in entry["packs"]}
            for result in results:
                verdict = result.verdict or {}
                self.expect(entry["file"], verdict.get("code"), expected.get(str(result.serial)))
                product = (verdict["pack"]["product"] or {}).get("name") or "-"
                signal = f"[{LOOK[result.signal]}]{result.signal}[/]"
                table.add_row(Path(entry["file"]).name, product, signal, result.title)
        self.console.print(table)

    def one(
        self, desk: str, operation: str, name: str, wanted: tuple[str, str], **more: Any
    ) -> dict[str, Any]:
        """One pack at one desk, with the signal and code that are due."""
        (result,) = self.desks[desk].scan(operation, self.picture(name), **more)
        verdict = result.verdict or {}
        show_result(self.console, result)
        self.expect(f"{operation} at the {desk}", (result.signal, verdict.get("code")), wanted)
        return verdict

    def changes(self) -> None:
        """Dispense once, be refused twice, undo, check a return, recall."""
        self.step("Dispense a pack at the corner pharmacy")
        self.one("corner pharmacy", "dispense", "clean_1", ("green", "ok"))
        self.step("The same code at another pharmacy: a copy? The second dispense is refused")
        verdict = self.one("other pharmacy", "dispense", "clean_1", ("red", "already_dispensed"))
        self.expect("alert", verdict["alert"]["code"], "A7")
        self.step("It was not collected: the corner pharmacy undoes its dispense")
        self.one("corner pharmacy", "reactivate", "clean_1", ("green", "ok"), not_supplied_to_public=True)
        self.step("The wholesaler checks a returned pack")
        verdict = self.one("wholesaler", "returns_check", "clean_2", ("green", "ok"))
        self.expect("resale", verdict["resale"], "yes")

    def recall(self) -> None:
        """A recall is known everywhere when its answer arrives."""
        self.step("The authority recalls a batch, and the next scan anywhere knows it")
        pack = self.entry("clean_3")["packs"][0]
        body = {"gtin": pack["gtin"], "lot": pack["lot"], "reason": "cracked ampoules"}
        answer = self.place.api(self.tokens["authority"], "/v1/batches/recall", body)
        self.expect("recall", answer.get("status"), "recalled")
        self.one("corner pharmacy", "dispense", "clean_3", ("red", "recalled"))

    def alerts(self) -> None:
        """What the authority sees."""
        self.step("The alerts that were raised, as the authority sees them")
        table = Table("code", "cause", "site", "GTIN", "serial", "count", box=None, padding=(0, 2, 0, 3))
        found = self.place.api(self.tokens["authority"], "/v1/alerts")["alerts"]
        for alert in reversed(found):
            serial = f"…{alert['serial'][-4:]}"
            table.add_row(
                alert["code"], alert["cause"], alert["site"], alert["gtin"], serial, str(alert["count"])
            )
        self.console.print(table)
        self.expect("alert codes", sorted(a["code"] for a in found), ["A2", "A3", "A68", "A7"])

    def network(self) -> None:
        """A return whose packs only other services know."""
        self.step(
            "In the US: a wholesaler's returns desk asks the manufacturers' own services (GS1 messages)"
        )
        network(self.folder, self.console)


@click.command()
def demo() -> None:
    """The main job, end to end, on real input."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 100)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="verifier-demo-") as name:
        folder = Path(name)
        show = Demo(folder, console)
        show.pictures = write_samples(folder, today=datetime.now(UTC).date())["pictures"]
        try:
            click.echo("Starting the service with its own PostgreSQL and Redis …", err=True)
            with show.place.serving():
                prepare(show)
                show.decode()
                show.verify()
                show.changes()
                show.recall()
                show.alerts()
            click.echo("Starting three services more, with their own PostgreSQL and Redis …", err=True)
            show.network()
        except DemoFailed as failed:
            console.print(f"\n[bold red]The demo failed:[/] {failed}")
            sys.exit(1)
    console.print(f"\n[bold green]Every step came out as it must[/] ({time.monotonic() - started:.0f} s).")


def prepare(show: Demo) -> None:
    """Sites, clients and packs, by the commands that an operator uses."""
    show.step("Sites, clients and packs come in by the command line")
    for name, (gln, kind, scopes) in PEOPLE.items():
        show.tokens[name] = show.place.client(name, gln, kind, "DE", scopes)
        show.desks[name] = Desk(name, Remote(show.place.address, *show.tokens[name]))
    for file, profile in (("packs.csv", "eu_fmd"), ("packs-us.csv", "us_dscsa")):
        result = show.place.command("load", "--json", "--profile", profile, str(show.folder / file))
        show.expect(file, result["rejected"], 0)
        show.console.print(f"   {file}: {result['loaded']} packs loaded under {profile}")
