"""`verifier vrs …`: how the responder of GS1 messages answers, whom it refuses, and who decided so."""

import getpass
import json
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, TypeVar

import click
from sqlalchemy.exc import IntegrityError

from verifier.cli.directory import directory
from verifier.cli.session import database, say
from verifier.domain.lms_policy import RULES, Choice, Disposition
from verifier.domain.lms_rules import (
    Change,
    Entry,
    Kind,
    Mark,
    WrongEntry,
    block_entry,
    choice_entry,
    mark_entry,
    rules_of,
)
from verifier.storage.control import PERMISSION_S
from verifier.storage.responder import Ledger

Command = TypeVar("Command", bound=Callable[..., Any])


def signed(command: Command) -> Command:
    """A change says why, and who makes it: the account's name unless another is given."""
    command = click.option("--why", required=True, help="Kept with the change.")(command)
    return click.option("--who", default=getpass.getuser, help="Default: the name of this account.")(command)


manufacturer = click.option("--manufacturer", default=None, metavar="GLN", help="For its products only.")
disposition = click.argument("disposition", type=click.Choice([each.value for each in Disposition]))


@click.group()
def vrs() -> None:
    """GS1 lightweight messaging (US saleable returns): the responder, and the directory of other ones."""


vrs.add_command(directory)


@vrs.group()
def policy() -> None:
    """How the responder answers what it knows of a pack."""


@policy.command("show")
@manufacturer
def show_policy(manufacturer: str | None) -> None:
    """Show the answer for each disposition, the default, and what else may be chosen."""
    with database() as engine:
        held = rules_of(Ledger(engine).entries()).policy
    shown = {
        each.value: {
            "answer": held.choice(manufacturer, each),
            "default": rule.default,
            "allowed": rule.allowed,
            "additional_info": rule.info,
            "when": rule.meaning,
        }
        for each, rule in RULES.items()
    }
    click.echo(json.dumps(shown, indent=2))


@policy.command("set")
@disposition
@click.argument("choice", type=click.Choice([each.value for each in Choice]))
@manufacturer
@signed
def set_policy(*, disposition: str, choice: str, manufacturer: str | None, who: str, why: str) -> None:
    """Answer DISPOSITION as CHOICE from now on."""
    write(lambda: choice_entry(Disposition(disposition), Choice(choice), manufacturer), who, why)


@policy.command("reset")
@disposition
@manufacturer
@signed
def reset_policy(*, disposition: str, manufacturer: str | None, who: str, why: str) -> None:
    """Answer DISPOSITION as by default again, or of a manufacturer as for all."""
    write(lambda: choice_entry(Disposition(disposition), None, manufacturer), who, why)


@policy.command("log")
def policy_log() -> None:
    """Show every change of the policy, oldest first."""
    show_log(Kind.POLICY)


@vrs.command()
@click.argument("gln")
@signed
def block(gln: str, who: str, why: str) -> None:
    """Refuse every message of the requestor GLN."""
    write(lambda: block_entry(gln, blocked=True), who, why)


@vrs.command()
@click.argument("gln")
@signed
def unblock(gln: str, who: str, why: str) -> None:
    """Permit the requestor GLN again."""
    write(lambda: block_entry(gln, blocked=False), who, why)


@vrs.command()
def blocked() -> None:
    """Show the requestors that are refused."""
    with database() as engine:
        held = rules_of(Ledger(engine).entries())
    click.echo(json.dumps(sorted(held.blocked)))


@vrs.command()
@click.argument("gtin")
@click.argument("lot")
@click.argument("mark", type=click.Choice([each.value for each in Mark]))
@click.option(
    "--until", type=click.DateTime(["%Y-%m-%d"]), default=None, help="Last day of an extended expiry."
)
@signed
def mark(*, gtin: str, lot: str, mark: str, until: datetime | None, who: str, why: str) -> None:
    """Mark a lot: suspect, illegitimate, or with an expiry that was extended."""
    write(lambda: mark_entry(gtin, lot, Mark(mark), until=until.date() if until else None), who, why)
    with database() as engine:
        known = Ledger(engine).knows_lot(gtin, lot)
    if not known:
        say(
            f"No pack of lot {lot} of {gtin} is known here. If that is a slip, take the mark off by"
            " `verifier vrs unmark` and mark the right lot; if not, it holds for packs that come."
        )


@vrs.command()
@click.argument("gtin")
@click.argument("lot")
@click.argument("mark", type=click.Choice([each.value for each in Mark]))
@signed
def unmark(*, gtin: str, lot: str, mark: str, who: str, why: str) -> None:
    """Take a mark off a lot."""
    write(lambda: mark_entry(gtin, lot, Mark(mark), off=True), who, why)


@vrs.command()
def log() -> None:
    """Show every change of policy, blocked requestors and marked lots, oldest first."""
    show_log(*Kind)


def write(make: Callable[[], Entry], who: str, why: str) -> None:
    """Write a change down; every worker knows when this returns."""
    try:
        entry = make()
    except WrongEntry as error:
        raise click.UsageError(str(error)) from None
    if not why.strip():
        raise click.BadParameter("say why", param_hint="--why")
    with database() as engine:
        try:
            change = Ledger(engine).change(entry, who=who, why=why, at=datetime.now(UTC))
        except IntegrityError:
            raise click.ClickException("somebody else changed this at the same moment; look again") from None
        time.sleep(PERMISSION_S)
    click.echo(json.dumps(shown(change), indent=2))


def show_log(*kinds: Kind) -> None:
    """The changes of these kinds as JSON."""
    with database() as engine:
        click.echo(json.dumps([shown(change) for change in Ledger(engine).log(*kinds)], indent=2))


def shown(change: Change) -> dict[str, Any]:
    """One change: who, when, from, to, why."""
    entry = asdict(change.entry)
    return {
        "kind": entry["kind"],
        "subject": entry["subject"],
        "from": change.before,
        "to": entry["value"],
        "who": change.who,
        "at": change.at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "why": change.why,
    }
