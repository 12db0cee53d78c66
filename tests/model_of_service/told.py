"""Between what travels over HTTP and what the model speaks of."""

from datetime import UTC, datetime
from typing import Any

from plain_model import Day, Expected
from werkzeug.test import TestResponse


def written(expiry: Day) -> str:
    year, month, number = expiry
    return f"{year}-{month:02}-{number:02}"


def day(instant: str) -> Any:
    return datetime.fromisoformat(instant).astimezone(UTC).date()


def shown(answer: TestResponse) -> Expected:
    """The answer as the model speaks of it."""
    said = answer.json
    if "signal" not in said:
        return Expected(answer.status_code, said["code"])
    return Expected(
        status=answer.status_code,
        code=said["code"],
        signal=said["signal"],
        accepted=said["accepted"],
        alert=said["alert"] and (said["alert"]["code"], said["alert"]["count"]),
        allowed=tuple(said["allowed"]),
        state=said["pack"]["state"],
        notes=tuple(said["notes"]),
        resale=said.get("resale"),
    )
