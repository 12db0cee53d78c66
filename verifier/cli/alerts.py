"""`verifier alert …`: what came of an alert."""

import json
from datetime import UTC, datetime
from uuid import UUID

import click

from verifier.cli.session import database
from verifier.cli.vrs import signed
from verifier.storage.alerts import Closing, close


@click.group()
def alert() -> None:
    """Alerts, once somebody has looked into them."""


@alert.command("close")
@click.argument("alert_id", type=click.UUID)
@signed
def close_alert(alert_id: UUID, who: str, why: str) -> None:
    """Close an alert that has been investigated; its pack is kept back for it no longer."""
    if not why.strip():
        raise click.BadParameter("say why", param_hint="--why")
    with database() as engine:
        closed = close(engine, alert_id, Closing(who, why, datetime.now(UTC)))
    if closed is None:
        raise click.ClickException("no open alert has this id; GET /v1/alerts lists them")
    click.echo(json.dumps(closed, indent=2))
