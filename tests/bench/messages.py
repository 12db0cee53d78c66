"""GS1 messages about the packs of the benchmark."""

import random
import uuid
from collections.abc import Iterator

import psycopg
from bench import load
from bench.places import Place, serial_of

REQUESTOR = "4012345000016"
MANUFACTURER = "4000001000005"


def speak(place: Place, profile: str) -> None:
    """Put all products under a regulation; no service runs meanwhile."""
    with psycopg.connect(place.plain_url) as connection:
        connection.execute("UPDATE products SET profile = %s, manufacturer_gln = %s", (profile, MANUFACTURER))
        connection.execute("UPDATE control SET reference_generation = reference_generation + 1")


def messages(token: str, packs: int, seed: int) -> Iterator[bytes]:
    """Requests about packs that are there, each with a corrUUID of its own."""
    chosen = random.Random(seed)  # noqa: S311
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    while True:
        number = chosen.randrange(packs)
        gtin, serial = serial_of(number)
        corr_uuid = uuid.UUID(int=chosen.getrandbits(128), version=4)
        target = (
            f"/verify/gtin/{gtin:014d}/lot/LOT{number % 50}/ser/{serial}?exp=311231"
            f"&linkType=verificationService&context=dscsaSaleableReturn&reqGLN={REQUESTOR}&corrUUID={corr_uuid}"
        )
        yield load.request("GET", target, b"", headers)
