"""Tables of any size, made inside the database: 100,000 packs and 10,000,000 by the same recipe."""

import hashlib

import psycopg
from bench.places import PER_PRODUCT, Place, gtin_of

_EMPTY = "TRUNCATE packs, batches, events, spool_files"
_FORGET = "UPDATE control SET cache_on = false, cache_epoch = cache_epoch + 1 WHERE cache_on"
_PRODUCTS = "INSERT INTO products (gtin, profile, name) SELECT unnest(%s::bigint[]), 'eu_fmd', 'Painaway'"
_BATCHES = "INSERT INTO batches (gtin, lot) SELECT gtin, 'LOT' || n FROM products, generate_series(0, 49) n"
_PACKS = """
INSERT INTO packs (gtin, serial, lot, expiry, state_since)
SELECT (%(gtins)s::bigint[])[1 + n / %(each)s::bigint], upper(substr(md5(n::text), 1, 13)),
       'LOT' || n %% 50, 20311231, now()
  FROM generate_series(%(first)s::bigint, %(last)s::bigint) n ORDER BY 1, 2
"""


def grown_serial_of(number: int) -> tuple[int, str]:
    """GTIN and serial number of the n-th pack of a grown table."""
    digest = hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()
    return gtin_of(number), digest[:13].upper()


def grow(place: Place, before: int, packs: int) -> None:
    """From `before` packs to `packs`; from 0 the tables are emptied first."""
    gtins = [gtin_of(number) for number in range(0, packs, PER_PRODUCT)]
    with psycopg.connect(place.plain_url, autocommit=True) as connection:
        if not before:
            connection.execute(_EMPTY)
            connection.execute(_FORGET)
        connection.execute(f"{_PRODUCTS} ON CONFLICT DO NOTHING", (gtins,))
        connection.execute(f"{_BATCHES} ON CONFLICT DO NOTHING")
        connection.execute(_PACKS, {"gtins": gtins, "each": PER_PRODUCT, "first": before, "last": packs - 1})
        connection.execute("VACUUM ANALYZE packs")
        connection.execute("CHECKPOINT")


def forget_cache(place: Place) -> None:
    """What Redis holds is not read any more; for changes that are made behind the service's back."""
    with psycopg.connect(place.plain_url, autocommit=True) as connection:
        connection.execute(_FORGET)
