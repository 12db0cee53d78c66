"""The statements of returns sessions."""

from sqlalchemy import bindparam, select, text
from sqlalchemy.dialects.postgresql import insert

from verifier.storage import tables_returns
from verifier.storage.direct import Statement
from verifier.storage.noted import ALERTED, GRAVELY
from verifier.storage.statements import names

STORED = Statement(
    text(
        "SELECT i.digest, e.answer FROM idempotency i LEFT JOIN returns_events e ON e.event_id = i.event_id"
        " WHERE i.client_id = :client_id AND i.key = :key"
    )
)
OPEN = Statement(
    insert(tables_returns.returns_sessions),
    *names(tables_returns.returns_sessions, "closed_at", "closed_by", "summary"),
)
EXPECT = Statement(
    text(
        "INSERT INTO returns_expected (session_id, gtin, serial, lot, count) SELECT :session_id, u.* FROM"
        " unnest(CAST(:gtins AS bigint[]), CAST(:serials AS text[]), CAST(:lots AS text[]),"
        " CAST(:counts AS integer[])) AS u"
    )
)
_sessions, _packs = tables_returns.returns_sessions, tables_returns.returned_packs
_SESSION = select(_sessions).where(_sessions.c.session_id == bindparam("session_id"))
READ = Statement(_SESSION)
HOLD = Statement(_SESSION.with_for_update(read=True))
SEIZE = Statement(_SESSION.with_for_update())
ASSOCIATE = Statement(
    text("UPDATE returns_sessions SET transaction_data = :transaction_data WHERE session_id = :session_id")
)
CLOSE = Statement(
    text(
        "UPDATE returns_sessions SET closed_at = :closed_at, closed_by = :closed_by, summary = :summary"
        " WHERE session_id = :session_id AND closed_at IS NULL"
    )
)
PAGE = Statement(
    select(_sessions)
    .where(
        text(
            "(CAST(:site AS text) IS NULL OR site_gln = :site)"
            " AND (CAST(:reference AS text) IS NULL OR reference = :reference)"
            " AND (CAST(:open AS boolean) IS NULL OR (closed_at IS NULL) = :open)"
            " AND (CAST(:instant AS timestamptz) IS NULL"
            "      OR (opened_at, session_id) < (:instant, CAST(:session_id AS uuid)))"
        )
    )
    .order_by(_sessions.c.opened_at.desc(), _sessions.c.session_id.desc())
    .limit(bindparam("limit"))
)
LISTED = Statement(
    text(
        "SELECT EXISTS (SELECT 1 FROM returns_expected WHERE session_id = :session_id AND gtin = :gtin"
        " AND (serial = :serial OR (serial = '' AND lot = :lot)))"
    )
)
COUNT = Statement(
    insert(tables_returns.returned_packs)
    .on_conflict_do_nothing(index_elements=["session_id", "gtin", "serial"])
    .returning(text("serial")),
    *names(tables_returns.returned_packs),
)
RENEW = Statement(
    text(
        "UPDATE returned_packs SET resale = :resale, code = :code, next_step = :next_step,"
        " verdict = :verdict, asked = :asked, corr_uuid = :corr_uuid, responder_gln = :responder_gln,"
        " asked_at = :asked_at"
        " WHERE session_id = :session_id AND gtin = :gtin AND serial = :serial"
    )
)
LOCK = Statement(
    select(_packs)
    .where(text("session_id = :session_id AND gtin = :gtin AND serial = :serial"))
    .with_for_update()
)
ANSWER = Statement(
    text(
        "SELECT verified, failure_reason, additional_info FROM vrs_questions"
        " WHERE question_id = CAST(:corr_uuid AS uuid) AND verified IS NOT NULL"
    )
)
COUNTED = Statement(text("SELECT count(*) AS packs FROM returned_packs WHERE session_id = :session_id"))
# the subject as `lms_rules.lot_subject` writes it; a mark that was taken off is only judged once more in vain
_MARKED = (
    "EXISTS (SELECT 1 FROM responder_rules m WHERE m.kind = 'lot' AND m.after IS NOT NULL"
    " AND m.subject IN (lpad(CAST(r.gtin AS text), 14, '0') || ' ' || r.lot || ' illegitimate',"
    " lpad(CAST(r.gtin AS text), 14, '0') || ' ' || r.lot || ' suspect'))"
)
# by what the network has said of an extended expiry our own calendar says nothing
DOUBTFUL = Statement(
    text(
        f"SELECT {', '.join(f'r.{name}' for name in names(tables_returns.returned_packs))}"  # noqa: S608
        " FROM returned_packs r LEFT JOIN products p ON p.gtin = r.gtin"
        " LEFT JOIN packs k ON k.gtin = r.gtin AND k.serial = r.serial"
        " LEFT JOIN batches b ON b.gtin = r.gtin AND b.lot = r.lot"
        " LEFT JOIN vrs_questions q ON q.question_id = CAST(r.corr_uuid AS uuid)"
        " WHERE r.session_id = :session_id AND r.resale = 'yes' AND r.asked_at < :since"
        " AND (p.withdrawn OR b.recalled OR b.on_hold OR k.state <> 'active'"
        "      OR (r.expiry <= :today AND q.additional_info IS DISTINCT FROM 'ExpirationExtended')"
        f"      OR {ALERTED.format(pack='r', which=GRAVELY)} OR {_MARKED})"
        " ORDER BY r.gtin, r.serial LIMIT :limit"
    )
)
CASE = Statement(text("SELECT gtin, serial, lot, expiry, state FROM packs WHERE sscc = :sscc LIMIT :limit"))
COUNTED_OF_CASE = Statement(
    text(
        "SELECT count(*) AS scanned FROM packs k JOIN returned_packs r ON r.session_id = :session_id"
        " AND r.gtin = k.gtin AND r.serial = k.serial WHERE k.sscc = :sscc"
    )
)
_PACKS = select(_packs).where(_packs.c.session_id == bindparam("session_id"))
ALL = Statement(_PACKS.order_by(_packs.c.gtin, _packs.c.serial))
PENDING = Statement(
    _PACKS.where(text("resale = 'pending'"))
    .order_by(_packs.c.asked_at, _packs.c.gtin, _packs.c.serial)
    .limit(bindparam("limit"))
)
# how many packs each line of the list is short of
_LINES = (
    "SELECT e.gtin, e.serial, e.lot, e.count, e.count - least(e.count, coalesce(n.n, 0)) AS short"
    " FROM returns_expected e LEFT JOIN ("
    "  SELECT gtin, serial, '' AS lot, 1 AS n FROM returned_packs WHERE session_id = :session_id"
    "  UNION ALL SELECT gtin, '', lot, count(*) FROM returned_packs"
    "   WHERE session_id = :session_id AND lot IS NOT NULL GROUP BY gtin, lot"
    " ) n USING (gtin, serial, lot) WHERE e.session_id = :session_id"
)
MISSING = Statement(
    text(
        f"SELECT gtin, serial, lot, short FROM ({_LINES}) l"  # noqa: S608 - our own text
        " WHERE short > 0 ORDER BY gtin, serial, lot LIMIT :limit"
    )
)
TOTALS = Statement(
    text(
        "SELECT s.expected, p.*, e.*, l.missing FROM returns_sessions s"  # noqa: S608 - our own text
        " CROSS JOIN (SELECT count(*) AS scanned, count(*) FILTER (WHERE resale = 'yes') AS saleable,"
        "  count(*) FILTER (WHERE resale = 'no') AS refused,"
        "  count(*) FILTER (WHERE resale = 'pending') AS pending,"
        "  count(*) FILTER (WHERE resale = 'pending' AND asked = ANY(:waiting)"
        "   AND corr_uuid IS NOT NULL AND scanned_at <= :due) AS overdue"
        "  FROM returned_packs WHERE session_id = :session_id) p"
        " CROSS JOIN (SELECT count(*) FILTER (WHERE code = 'duplicate') AS duplicate,"
        "  count(*) FILTER (WHERE starts_with(code, 'case_')) AS refused_cases"
        "  FROM returns_events WHERE session_id = :session_id AND operation = 'scan') e"
        f" CROSS JOIN (SELECT CAST(coalesce(sum(short), 0) AS bigint) AS missing FROM ({_LINES}) x) l"
        " WHERE s.session_id = :session_id"
    )
)
EVENT = Statement(insert(tables_returns.returns_events), *names(tables_returns.returns_events))
