"""The transactions of a dispense by a bare psycopg loop: what the database allows at the same concurrency."""

import random
import threading
import time
import uuid
from datetime import UTC, datetime

import psycopg

_IDEMPOTENCY = (
    "INSERT INTO idempotency (client_id, key, digest, gtin, serial, event_id, created_at)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING event_id"
)
_FIND = (
    "SELECT p.*, k.*, b.recalled, b.on_hold FROM products p"
    " LEFT JOIN packs k ON k.gtin = p.gtin AND k.serial = %s"
    " LEFT JOIN batches b ON b.gtin = k.gtin AND b.lot = k.lot WHERE p.gtin = %s"
)
_MOVE = (
    "UPDATE packs SET state = 'dispensed', version = version + 1, state_since = %s, state_site = %s"
    " WHERE gtin = %s AND serial = %s AND version = 0"
)
_EVENT = (
    "INSERT INTO events (gtin, serial, event_id, received_at, version, operation, code, accepted,"
    " state_before, state_after, site_gln, client_id, details, answer)"
    " VALUES (%s, %s, %s, %s, 1, 'dispense', 'ok', true, 'active', 'dispensed', %s, %s, %s, %s)"
)


def dispense_rate(
    url: str, packs: list[tuple[int, str]], answer: str, *, threads: int, seconds: float
) -> float:
    """Accepted dispenses a second."""
    done = [0] * threads
    end = time.monotonic() + seconds + 0.2
    shares = [packs[number::threads] for number in range(threads)]

    def work(number: int) -> None:
        with psycopg.connect(url.replace("+psycopg", "")) as connection:
            connection.prepare_threshold = 1
            for gtin, serial in shares[number]:
                if time.monotonic() > end:
                    break
                now, event = datetime.now(UTC), uuid.uuid4()
                key = f"bare-{random.getrandbits(64)}"
                connection.execute(_IDEMPOTENCY, ("bare", key, b"\0" * 32, gtin, serial, event, now))
                connection.execute(_FIND, (serial, gtin)).fetchone()
                moved = connection.execute(_MOVE, (now, "4012345000016", gtin, serial)).rowcount
                assert moved == 1
                details = '{"entry_mode":"scanned","seal":"not_checked"}'
                values = (gtin, serial, event, now, "4012345000016", "bare", details, answer)
                connection.execute(_EVENT, values)
                connection.commit()
                done[number] += 1

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    begin = time.monotonic()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(done) / (time.monotonic() - begin)
