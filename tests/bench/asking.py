"""What we add to a question to another party's verification service, beside that service's own time."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from bench import load
from bench.places import Place, free_port, gtin_of, verifier

PEER_S = 0.05
RATE, TURNS = 20.0, 3


@contextmanager
def peer(place: Place) -> Iterator[tuple[int, int]]:
    """The other party, in the directory for the first product; its GTIN and the party's port."""
    port, gtin = free_port(), gtin_of(0)
    requestor, directory = place.folder / "requestor.json", place.folder / "directory.jsonl"
    requestor.write_text(json.dumps({"loopback": True}))
    directory.write_text(json.dumps({"gtin": f"{gtin:014d}", "url": f"http://127.0.0.1:{port}"}))
    place.more = {"VERIFIER_REQUESTOR_FILE": str(requestor)}
    command = [sys.executable, "-m", "bench.peer", str(port), str(PEER_S)]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[1])
    try:
        verifier(place, "vrs", "directory", "import", str(directory))
        time.sleep(0.5)
        yield gtin, port
    finally:
        place.more = {}
        process.terminate()
        process.wait()


def overhead(
    place: Place, service: Callable[[], AbstractContextManager[int]], gln: str, seconds: float
) -> float:
    """How many milliseconds the 95th of 100 questions takes longer than the 95th asked of the peer itself.

    The median of three turns.
    """
    with peer(place) as (gtin, peer_port), service() as port:
        token = place.token(port, gln, "vrs")
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

        def questions(number: int, _of: int) -> Iterator[bytes]:
            while True:
                number += 1
                pack = {"gtin": f"{gtin:014d}", "serial": f"S{number}", "lot": "L1", "expiry": "311231"}
                yield load.request("POST", "/v1/vrs/verify", json.dumps(pack).encode(), headers)

        def direct(_number: int, _of: int) -> Iterator[bytes]:
            while True:
                yield load.request("GET", "/verify?corrUUID=x", b"", {})

        load.run(port, questions, seconds=1.0, rate=RATE)  # connections are made, statements prepared
        spent = []
        for _ in range(TURNS):
            asked = load.run(port, questions, seconds=max(seconds, 5.0), rate=RATE)
            bare = load.run(peer_port, direct, seconds=max(seconds, 5.0), rate=RATE)
            assert set(asked.statuses) == set(bare.statuses) == {200}, (asked.statuses, bare.statuses)
            spent.append((asked.quantile(0.95) - bare.quantile(0.95)) * 1000)
    return statistics.median(spent)
