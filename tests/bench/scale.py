"""Tables of any size, made inside the database: 100,000 packs and 10,000,000 by the same recipe."""

import hashlib
from dataclasses import replace

import psycopg
from bench.places import PER_PRODUCT, Place, gtin_of, run

_FORGET = "UPDATE control SET cache_on = false, cache_epoch = cache_epoch + 1 WHERE cache_on"
_PRODUCTS = "INSERT INTO products (gtin, profile, name) SELECT unnest(%s::bigint[]), 'eu_fmd', 'Painaway'"
_BATCHES = "INSERT INTO batches (gtin, lot) SELECT gtin, 'LOT' || n FROM products, generate_series(0, 49) n"
_PACKS = """
INSERT INTO packs (gtin, serial, lot, expiry, state_since)
SELECT (%(gtins)s::bigint[])[1 + n / %(each)s::bigint], upper(substr(md5(n::text), 1, 13)),
       'LOT' || n %% 50, 20311231, now()
  FROM generate_series(0, %(packs)s::bigint - 1) n ORDER BY 1, 2
"""


def grown_serial_of(number: int) -> tuple[int, str]:
    """GTIN and serial number of the n-th pack of a grown table."""
    digest = hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()
    return gtin_of(number), digest[:13].upper()


def grown(place: Place, number: int, packs: int) -> Place:
    """A place of its own with so many packs: another database of the same PostgreSQL and Redis."""
    assert place.running is not None
    name = f"grown_{number}"
    with psycopg.connect(place.plain_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    urls = place.running.database_url, place.running.redis_url
    here = Place(place.folder / name)
    here.running = replace(
        place.running,
        database_url=urls[0].replace("/verifier?", f"/{name}?"),
        redis_url=urls[1].replace("db=0", f"db={number}"),
    )
    here.more = {
        "VERIFIER_DATABASE_URL": here.running.database_url,
        "VERIFIER_REDIS_URL": here.running.redis_url,
    }
    run(here, "migrate")
    fill(here, packs)
    return here


def fill(place: Place, packs: int) -> None:
    gtins = [gtin_of(number) for number in range(0, packs, PER_PRODUCT)]
    with psycopg.connect(place.plain_url, autocommit=True) as connection:
        connection.execute(_PRODUCTS, (gtins,))
        connection.execute(_BATCHES)
        connection.execute(_PACKS, {"gtins": gtins, "each": PER_PRODUCT, "packs": packs})
        connection.execute("VACUUM ANALYZE packs")
        connection.execute("CHECKPOINT")


def forget_cache(place: Place) -> None:
    """What Redis holds is not read any more; for changes that are made behind the service's back."""
    with psycopg.connect(place.plain_url, autocommit=True) as connection:
        connection.execute(_FORGET)
