"""What the contract says of every fault."""

from typing import Any

PROBLEM = "application/problem+json"


def is_problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    """The body, after everything that the contract says of every fault."""
    assert (answer.status_code, answer.json["code"]) == (status, code), answer.text
    assert answer.content_type == PROBLEM
    body = answer.json
    assert body["type"] == f"/problems/{code}"
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert set(body) <= {"type", "title", "status", "code", "detail", "errors", "reason"}
    assert "Traceback" not in answer.text
    assert "<!doctype" not in answer.text.lower()
    return body
