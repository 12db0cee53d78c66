from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, func, select

from verifier.domain.pack import Site, SiteType
from verifier.storage.access import Access, AlreadyBoundError, UnknownSiteError
from verifier.storage.tables import revoked_tokens

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ISSUER = "https://login.example"
HOSPITAL = Site("4012345000108", "Hospital", SiteType.HOSPITAL, "DE", None, "Europe/Berlin")


@pytest.fixture
def hospital(access: Access) -> Site:
    return access.add_site(HOSPITAL)


def test_a_site_comes_back_as_it_was_given_and_the_second_time_updates(access: Access) -> None:
    first = Site("4012345000115", "Old name", SiteType.WHOLESALER, "FR", "Group", "Europe/Paris")
    second = Site("4012345000115", "New name", SiteType.HOSPITAL, "BE")
    assert access.add_site(first) == access.site(first.gln) == first
    assert access.add_site(second) == access.site(first.gln) == second


def test_an_unknown_site_is_none(access: Access) -> None:
    assert access.site("4099999000007") is None


def test_a_client_comes_with_its_site(access: Access, hospital: Site) -> None:
    client_id = access.add_client("ward", hospital.gln, frozenset({"verify"}), now=NOW, secret_hash=b"h")
    client = access.client(client_id)
    assert client is not None
    assert (client.client_id, client.name, client.site) == (client_id, "ward", hospital)
    assert (client.scopes, client.secret_hash, client.revoked) == (frozenset({"verify"}), b"h", False)
    assert "secret_hash" not in repr(client)


def test_every_call_makes_a_new_client(access: Access, hospital: Site) -> None:
    ids = {access.add_client("ward", hospital.gln, frozenset(), now=NOW) for _ in range(5)}
    assert len(ids) == 5


def test_a_client_needs_a_site(access: Access) -> None:
    with pytest.raises(UnknownSiteError):
        access.add_client("ward", "4099999000007", frozenset(), now=NOW)


def test_a_bound_client_is_found_by_issuer_and_subject_only(access: Access, hospital: Site) -> None:
    client_id = access.add_client(
        "ward", hospital.gln, frozenset({"verify"}), now=NOW, issuer=ISSUER, subject="found"
    )
    found = access.client_of(ISSUER, "found")
    assert found is not None
    assert found.client_id == client_id
    assert access.client_of(ISSUER, "other") is None
    assert access.client_of("https://other.example", "found") is None


def test_a_name_at_an_issuer_is_bound_once_and_free_again_after_revocation(
    access: Access, hospital: Site
) -> None:
    def bind() -> str:
        return access.add_client("w", hospital.gln, frozenset(), now=NOW, issuer=ISSUER, subject="once")

    first = bind()
    with pytest.raises(AlreadyBoundError):
        bind()
    access.revoke_client(first, NOW)
    second = bind()
    bound = access.client_of(ISSUER, "once")
    assert bound is not None
    assert (bound.client_id, bound.revoked) == (second, False)


def test_revoking_a_client_raises_the_generation(access: Access, hospital: Site) -> None:
    client_id = access.add_client("ward", hospital.gln, frozenset(), now=NOW)
    before = access.generation()
    assert access.revoke_client(client_id, NOW) is True
    assert access.generation() > before
    client = access.client(client_id)
    assert client is not None
    assert client.revoked


def test_revoking_an_unknown_client_changes_nothing(access: Access) -> None:
    before = access.generation()
    assert access.revoke_client("nobody", NOW) is False
    assert access.generation() == before


def test_a_change_of_a_site_raises_the_generation(access: Access) -> None:
    before = access.generation()
    access.add_site(HOSPITAL)
    assert access.generation() > before


def test_a_revoked_token_is_known_and_raises_the_generation_once(access: Access) -> None:
    before = access.generation()
    assert not access.is_revoked("t1")
    access.revoke_token("t1", datetime.now(UTC) + timedelta(minutes=5))
    access.revoke_token("t1", datetime.now(UTC) + timedelta(minutes=5))
    assert access.is_revoked("t1")
    assert access.generation() == before + 1


def test_a_revoked_token_is_forgotten_only_well_after_its_expiry(access: Access, engine: Engine) -> None:
    now = datetime.now(UTC)
    access.revoke_token("fresh", now + timedelta(minutes=5))
    access.revoke_token("just expired", now - timedelta(seconds=30))
    access.revoke_token("long expired", now - timedelta(minutes=5))
    assert access.purge_revoked_tokens() == 1
    assert access.is_revoked("fresh")
    assert access.is_revoked("just expired")
    assert not access.is_revoked("long expired")
    access.revoke_token("long expired", now - timedelta(minutes=5))
    access.revoke_token("next", now + timedelta(minutes=5))
    with engine.connect() as connection:
        count = connection.execute(
            select(func.count()).select_from(revoked_tokens).where(revoked_tokens.c.jti == "long expired")
        )
        assert count.scalar_one() == 0
