"""`verifier site add` and `list`; `verifier client add`, `list` and `revoke`."""

import json
import re
from dataclasses import asdict
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from verifier.cli.session import database, say
from verifier.domain.gs1 import gtin_fault
from verifier.domain.pack import Site, SiteType
from verifier.oauth import clients
from verifier.oauth.scopes import SCOPES, unknown
from verifier.storage.access import Access, AlreadyBoundError, UnknownSiteError


@click.group()
def site() -> None:
    """Premises that scan packs."""


@site.command("add")
@click.option("--gln", required=True, help="13 digits.")
@click.option("--name", required=True)
@click.option("--type", "kind", required=True, type=click.Choice([kind.value for kind in SiteType]))
@click.option("--country", required=True, help="ISO 3166-1 alpha-2.")
@click.option("--org", default=None, help="The organisation that it belongs to.")
@click.option("--timezone", default="UTC", show_default=True, help="IANA name, e.g. Europe/Berlin.")
def add_site(*, gln: str, name: str, kind: str, country: str, org: str | None, timezone: str) -> None:
    """Add a site, or change the one with this GLN."""
    if not _is_gln(gln):
        raise click.BadParameter("a GLN has 13 digits, the last one a check digit", param_hint="--gln")
    if not re.fullmatch("[A-Za-z]{2}", country):
        raise click.BadParameter("two letters, e.g. DE", param_hint="--country")
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError):
        raise click.BadParameter("an IANA name, e.g. Europe/Berlin", param_hint="--timezone") from None
    with database() as engine:
        added = Access(engine).add_site(Site(gln, name, SiteType(kind), country.upper(), org, timezone))
    click.echo(json.dumps(asdict(added)))


@site.command("list")
def list_sites() -> None:
    """All sites, one JSON object a line."""
    with database() as engine:
        for each in Access(engine).sites():
            click.echo(json.dumps(asdict(each)))


@click.group()
def client() -> None:
    """Programs that speak for a site."""


@client.command("add")
@click.argument("name")
@click.option("--gln", required=True, help="The site that it speaks for.")
@click.option("--scope", required=True, help='Scopes, e.g. "verify dispense".')
@click.option("--issuer", default=None, help="An outside issuer whose client this is.")
@click.option("--subject", default=None, help="Its name there.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object (the default result too).")
def add_client(
    *, name: str, gln: str, scope: str, issuer: str | None, subject: str | None, as_json: bool
) -> None:
    """Add a client; its secret is shown once, and stored as a hash."""
    scopes = frozenset(scope.replace(",", " ").split())
    if not scopes:
        raise click.BadParameter("name at least one scope", param_hint="--scope")
    if wrong := unknown(scopes):
        there = f"no such scope: {', '.join(wrong)}; there are {', '.join(SCOPES)}"
        raise click.BadParameter(there, param_hint="--scope")
    if (issuer is None) != (subject is None):
        raise click.UsageError("--issuer and --subject belong together")
    now = datetime.now(UTC)
    with database() as engine:
        access = Access(engine)
        try:
            if issuer is not None:
                client_id = access.add_client(name, gln, scopes, now=now, issuer=issuer, subject=subject)
                shown = {"client_id": client_id, "issuer": issuer, "subject": subject}
            else:
                made = clients.register(access, name, gln, scopes, now)
                shown = {"client_id": made.client_id, "client_secret": made.client_secret}
        except UnknownSiteError:
            raise click.UsageError(f"no site has the GLN {gln}; add it with `verifier site add`") from None
        except AlreadyBoundError:
            bound = f"another client is bound to the subject {subject} of {issuer}"
            there = "find its id with `verifier client list`, and `verifier client revoke` it first"
            raise click.UsageError(f"{bound}; {there}") from None
    click.echo(json.dumps(shown, indent=None if as_json else 2))
    if issuer is None:
        say("Keep the secret now: it is not shown again.")


@client.command("list")
def list_clients() -> None:
    """All clients, the newest first, one JSON object a line; never a secret."""
    with database() as engine:
        for each in Access(engine).clients():
            click.echo(json.dumps(each, default=datetime.isoformat))


@client.command("revoke")
@click.argument("client_id")
def revoke_client(client_id: str) -> None:
    """Revoke a client; its tokens stop working within two seconds."""
    with database() as engine:
        if not Access(engine).revoke_client(client_id, datetime.now(UTC)):
            raise click.UsageError("no client has this id")
    click.echo(json.dumps({"client_id": client_id, "revoked": True}))


def _is_gln(gln: str) -> bool:
    return gtin_fault(gln, lengths=(13,)) is None
