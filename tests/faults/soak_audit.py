"""After a soak: is the journal whole, and does the cache hold what the database does?"""

from typing import Any

import msgspec
from stage import Stage

# every version made once, from the state that the one before has left; the pack stands at the last one
JOURNAL = """
WITH steps AS (
  SELECT gtin, serial, version, state_before, state_after,
         lag(state_after, 1, 'active') OVER pack AS left_by, row_number() OVER pack AS number
  FROM events WHERE version IS NOT NULL WINDOW pack AS (PARTITION BY gtin, serial ORDER BY version)
), ends AS (SELECT gtin, serial, max(version) AS version, count(*) AS steps FROM steps GROUP BY 1, 2)
SELECT (SELECT count(*) FROM steps
        WHERE version <> number OR state_before <> left_by OR state_before = state_after),
       (SELECT count(*) FROM packs p LEFT JOIN ends e USING (gtin, serial)
        WHERE p.version <> coalesce(e.version, 0) OR p.version <> coalesce(e.steps, 0)),
       (SELECT count(*) FROM packs p JOIN steps s USING (gtin, serial, version)
        WHERE p.state <> s.state_after),
       (SELECT count(*) FROM steps)
"""


def journal(stage: Stage) -> dict[str, int]:
    """How many steps and packs are wrong, and how many accepted changes there are."""
    steps, versions, states, accepted = stage.rows(JOURNAL)[0]
    return {"journal_wrong": steps + versions + states, "journal_changes": accepted}


def cache(stage: Stage) -> dict[str, int]:
    """Every value that a process may read now, compared with the pack's row."""
    epoch = f":{stage.epoch()}:".encode()
    held = dict(_values(stage, epoch))
    wrong = 0
    for (gtin, serial), (version, state) in held.items():
        query = "SELECT version, state FROM packs WHERE gtin = %s AND serial = %s"
        wrong += stage.rows(query, int(gtin), serial) != [(version, state)]
    return {"cache_values": len(held), "cache_wrong": wrong}


def _values(stage: Stage, epoch: bytes) -> Any:
    with stage.redis.client() as client:
        for key in client.scan_iter(count=1000):
            value = client.get(key)
            if epoch in key and value is not None and value.startswith(b"V:"):
                gtin, serial, _, _, state, version, *_ = msgspec.json.decode(value.split(b":", 2)[2])
                yield (gtin, serial), (version, state)
