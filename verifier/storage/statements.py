"""The statements of a change, in the order in which a transaction may need them."""

from sqlalchemy import Table, bindparam, select, text
from sqlalchemy.dialects.postgresql import insert

from verifier.storage import tables
from verifier.storage.direct import Statement


def names(table: Table, *without: str) -> list[str]:
    """The table's columns, without some."""
    return [column.name for column in table.c if column.name not in without]


CLAIM = Statement(
    insert(tables.idempotency)
    .on_conflict_do_nothing(index_elements=["client_id", "key"])
    .returning(text("event_id")),
    *names(tables.idempotency),
)
STORED = Statement(
    text(
        "SELECT i.digest, i.gtin, i.serial, e.answer, e.accepted, p.version FROM idempotency i"
        " LEFT JOIN events e ON e.gtin = i.gtin AND e.serial = i.serial AND e.event_id = i.event_id"
        " LEFT JOIN packs p ON p.gtin = i.gtin AND p.serial = i.serial"
        " WHERE i.client_id = :client_id AND i.key = :key"
    )
)
STORED_REFERENCE = Statement(
    text(
        "SELECT e.answer FROM idempotency i JOIN reference_events e ON e.event_id = i.event_id"
        " WHERE i.client_id = :client_id AND i.key = :key"
    )
)
CANONICAL = Statement(
    text("SELECT gtin FROM products WHERE gtin = :gtin OR ppn = :ppn ORDER BY gtin <> :gtin LIMIT 1")
)
DEVICE = Statement(
    insert(tables.device_sequences).on_conflict_do_nothing().returning(text("sequence")),
    *names(tables.device_sequences),
)
MOVE = Statement(
    text(
        "UPDATE packs SET state = :state, version = version + 1, state_since = :now, state_site = :site"
        " WHERE gtin = :gtin AND serial = :serial AND version = :version"
    )
)
COUNT = Statement(
    text(
        "INSERT INTO counters (site_gln, scope, count) VALUES (:site, :scope, 1)"
        " ON CONFLICT (site_gln, scope) DO UPDATE SET count = counters.count + 1 RETURNING count"
    )
)
# a slip is told least, then everything else, then the grave causes in their order
_WEIGHT = (
    "coalesce(array_position(CAST(:grave AS text[]), {row}.cause),"
    " CASE WHEN {row}.cause = ANY(:of_another_code) THEN -1 ELSE 0 END)"
)
_TELLS_MORE = f"{_WEIGHT.format(row='excluded')} > {_WEIGHT.format(row='alerts')}"
_OF_ATTEMPT = ("cause", "operation", "lot", "expiry", "client_id", "event_id", "details")
RAISE = Statement(
    insert(tables.alerts)
    .on_conflict_do_update(
        constraint="uq_alerts_pack_site_code_day",
        set_={
            "count": text("alerts.count + 1"),
            "last_at": text("excluded.last_at"),
            "status": text("CASE WHEN alerts.closed_at IS NULL THEN alerts.status ELSE 'new' END"),
            "closed_at": text("NULL"),
        }
        | {
            name: text(f"CASE WHEN {_TELLS_MORE} THEN excluded.{name} ELSE alerts.{name} END")
            for name in _OF_ATTEMPT
        },
    )
    .returning(tables.alerts.c.alert_id, tables.alerts.c.code, tables.alerts.c.cause, tables.alerts.c.count),
    *names(tables.alerts, "status", "closed_at"),
)
"""It is about the first attempt of the day, unless a later one tells more; after its close it opens again."""
EVENT = Statement(
    insert(tables.events).on_conflict_do_nothing(index_elements=["gtin", "serial", "event_id"]),
    *names(tables.events),
)
"""The same event comes again when a transaction is run again after a commit whose answer was lost."""
REFERENCE_EVENT = Statement(insert(tables.reference_events), *names(tables.reference_events))
PRODUCT = Statement(
    select(tables.products).where(tables.products.c.gtin == bindparam("gtin")).with_for_update()
)
_put_product = insert(tables.products)
PUT_PRODUCT = Statement(
    _put_product.on_conflict_do_update(
        index_elements=["gtin"],
        set_={name: _put_product.excluded[name] for name in names(tables.products, "gtin")},
    ),
    *names(tables.products),
)
BATCH = Statement(
    text(
        "INSERT INTO batches (gtin, lot, recalled, on_hold) VALUES (:gtin, :lot, coalesce(:recalled, false),"
        " coalesce(:on_hold, false)) ON CONFLICT (gtin, lot) DO UPDATE SET"
        " recalled = coalesce(:recalled, batches.recalled), on_hold = coalesce(:on_hold, batches.on_hold)"
        " RETURNING recalled, on_hold"
    )
)
