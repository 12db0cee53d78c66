"""A pack as the status cache holds it: `V:`, its version, `:`, the pack as JSON, the key's parts repeated."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from verifier.domain.expiry import Expiry
from verifier.domain.pack import Pack, State

Value = tuple[str, str, str, int, State, int, int, str | None]
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Value).decode


def packed(pack: Pack) -> bytes:
    """The value of a pack."""
    since = int(pack.state_since.timestamp() * 1_000_000)
    expiry = pack.expiry.number()
    value: Value = (
        pack.gtin,
        pack.serial,
        pack.lot,
        expiry,
        pack.state,
        pack.version,
        since,
        pack.state_site,
    )
    return b"V:%d:%s" % (pack.version, _encode(value))


def unpacked(held: Any, gtin: str, serial: str) -> Pack | None:
    """The pack in a value; None for a lease, a fence, nothing, or a value that is not of this key or form."""
    if not isinstance(held, bytes) or not held.startswith(b"V:"):
        return None
    try:
        value = _decode(held[2:].partition(b":")[2])
    except msgspec.DecodeError:
        return None
    if value[0] != gtin or value[1] != serial:
        return None
    seconds, micros = divmod(value[6], 1_000_000)
    return Pack(
        gtin=gtin,
        serial=serial,
        lot=value[2],
        expiry=Expiry.from_number(value[3]),
        state=value[4],
        version=value[5],
        state_since=datetime.fromtimestamp(seconds, UTC).replace(microsecond=micros),
        state_site=value[7],
    )
