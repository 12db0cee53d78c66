"""Who may ask: sites, their OAuth clients, and the tokens that were revoked before their time.

Every change that takes a right away raises `control.access_generation` in its own transaction, so that a
process that remembers checked tokens can tell in one comparison that it must look again.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    RowMapping,
    Select,
    bindparam,
    delete,
    func,
    literal,
    select,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import NoResultFound

from verifier.domain.pack import Site, SiteType
from verifier.storage.database import twice
from verifier.storage.tables import clients, control, revoked_tokens, sites

KEPT_AFTER_EXPIRY = timedelta(minutes=1)
"""Longer than any leeway that a check of a token grants, so that a revoked one never comes back."""


class UnknownSiteError(LookupError):
    """A client was to belong to a GLN that no site has."""


class AlreadyBoundError(ValueError):
    """Another client that is not revoked has this issuer and subject."""


@dataclass(frozen=True, slots=True)
class Client:
    """One registered OAuth client (RFC 6749 section 2) with the site that it acts for.

    `secret_hash` is the SHA-256 of the secret, None for a client that an outside issuer authenticates; that
    one has `issuer` and `subject`.
    """

    client_id: str
    name: str
    site: Site
    scopes: frozenset[str]
    secret_hash: bytes | None = field(repr=False)
    issuer: str | None
    subject: str | None
    revoked: bool


class Access:
    """Sites, clients and revoked tokens of one database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reading = engine.execution_options(isolation_level="AUTOCOMMIT")

    def add_site(self, site: Site) -> Site:
        """Insert or update by GLN."""
        values = {
            "name": site.name,
            "type": site.type.value,
            "country": site.country,
            "org": site.org,
            "timezone": site.timezone,
        }
        statement = postgresql.insert(sites).values(gln=site.gln, **values)
        with self._engine.begin() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["gln"], set_=values))
            _raise_generation(connection)
        return site

    def site(self, gln: str) -> Site | None:
        """The site with this GLN."""
        row = self._first(select(sites).where(sites.c.gln == gln))
        return _site(row) if row else None

    def add_client(
        self,
        name: str,
        gln: str,
        scopes: frozenset[str],
        *,
        now: datetime,
        secret_hash: bytes | None = None,
        issuer: str | None = None,
        subject: str | None = None,
    ) -> str:
        """A new client with a random id, which is returned.

        Raises:
            UnknownSiteError: no site has this GLN.
            AlreadyBoundError: a client that is not revoked is bound to this issuer and subject.
        """
        client_id = secrets.token_urlsafe(16).replace("-", "_")  # no command takes it for an option
        values = {
            "client_id": client_id,
            "name": name,
            "scopes": sorted(scopes),
            "secret_hash": secret_hash,
            "issuer": issuer,
            "subject": subject,
            "created_at": now,
        }
        with self._engine.begin() as connection:
            if connection.execute(select(sites.c.gln).where(sites.c.gln == gln)).first() is None:
                raise UnknownSiteError(gln)
            if issuer is not None:
                _release(connection, issuer, subject)
            added = connection.execute(
                postgresql.insert(clients)
                .values(gln=gln, **values)
                .on_conflict_do_nothing(index_elements=["issuer", "subject"])
                .returning(clients.c.client_id)
            )
            if added.first() is None:
                raise AlreadyBoundError(f"{issuer} {subject}")
        return client_id

    def sites(self) -> list[Site]:
        """All, by GLN."""
        with self._reading.connect() as connection:
            rows = connection.execute(select(sites).order_by(sites.c.gln)).mappings()
            return [_site(row) for row in rows]

    def clients(self) -> list[dict[str, Any]]:
        """All, also revoked ones, the newest first; nothing of their secrets."""
        shown = [column for column in clients.c if column.name != "secret_hash"]
        statement = select(*shown).order_by(clients.c.created_at.desc(), clients.c.client_id)
        with self._reading.connect() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]

    def client(self, client_id: str) -> Client | None:
        """The client with this id, revoked ones too."""
        return self._client(clients.c.client_id == bindparam("client_id"), {"client_id": client_id})

    def client_of(self, issuer: str, subject: str) -> Client | None:
        """The client that is bound to this name at an outside issuer."""
        bound = (clients.c.issuer == bindparam("issuer")) & (clients.c.subject == bindparam("subject"))
        return self._client(bound, {"issuer": issuer, "subject": subject})

    def revoke_client(self, client_id: str, now: datetime) -> bool:
        """Take every right from a client for good. False when there is no such client."""
        statement = (
            update(clients)
            .where(clients.c.client_id == client_id)
            .values(revoked_at=func.coalesce(clients.c.revoked_at, now))
        )
        with self._engine.begin() as connection:
            found = connection.execute(statement).rowcount == 1
            if found:
                _raise_generation(connection)
        return found

    def revoke_token(self, jti: str, expires_at: datetime) -> None:
        """Refuse the token with this id from now on; forgotten some time after it has expired anyway."""
        statement = (
            postgresql.insert(revoked_tokens)
            .values(jti=jti, expires_at=expires_at)
            .on_conflict_do_nothing(index_elements=["jti"])
            .returning(revoked_tokens.c.jti)
        )
        with self._engine.begin() as connection:
            _forget_expired(connection)
            if connection.execute(statement).first() is not None:
                _raise_generation(connection)

    def is_revoked(self, jti: str) -> bool:
        """Was the token with this id revoked?"""
        statement = select(literal(value=True)).where(revoked_tokens.c.jti == jti)
        return self._first(statement) is not None

    def generation(self) -> int:
        """The access generation: as long as it stays the same, no right was taken away."""
        row = self._first(select(control.c.access_generation).where(control.c.id == 1))
        if row is None:
            raise NoResultFound("the control row is missing")
        return int(row["access_generation"])

    def purge_revoked_tokens(self) -> int:
        """Forget revoked tokens that have expired; the count of them."""
        with self._engine.begin() as connection:
            return _forget_expired(connection)

    def _client(self, which: ColumnElement[bool], values: Mapping[str, str]) -> Client | None:
        statement = (
            select(clients, *(column.label(f"site_{column.name}") for column in sites.c))
            .join(sites, sites.c.gln == clients.c.gln)
            .where(which)
        )
        row = self._first(statement, values)
        if row is None:
            return None
        return Client(
            client_id=row["client_id"],
            name=row["name"],
            site=_site(row, "site_"),
            scopes=frozenset(row["scopes"]),
            secret_hash=row["secret_hash"],
            issuer=row["issuer"],
            subject=row["subject"],
            revoked=row["revoked_at"] is not None,
        )

    def _first(self, statement: Select[Any], values: Mapping[str, str] | None = None) -> RowMapping | None:
        """The first row; nobody is turned away because a connection of the pool has died."""

        def read() -> RowMapping | None:
            with self._reading.connect() as connection:
                return connection.execute(statement, values).mappings().first()

        return twice(read)


def _site(row: Mapping[Any, Any], prefix: str = "") -> Site:
    return Site(
        gln=row[f"{prefix}gln"],
        name=row[f"{prefix}name"],
        type=SiteType(row[f"{prefix}type"]),
        country=row[f"{prefix}country"],
        org=row[f"{prefix}org"],
        timezone=row[f"{prefix}timezone"],
    )


def _release(connection: Connection, issuer: str, subject: str | None) -> None:
    """A revoked client no longer holds its name at the issuer, so that a new one may be bound to it."""
    connection.execute(
        update(clients)
        .where(clients.c.issuer == issuer, clients.c.subject == subject, clients.c.revoked_at.is_not(None))
        .values(issuer=None, subject=None)
    )


def _raise_generation(connection: Connection) -> None:
    connection.execute(
        update(control).where(control.c.id == 1).values(access_generation=control.c.access_generation + 1)
    )


def _forget_expired(connection: Connection) -> int:
    expired = revoked_tokens.c.expires_at < func.now() - KEPT_AFTER_EXPIRY
    return connection.execute(delete(revoked_tokens).where(expired)).rowcount
