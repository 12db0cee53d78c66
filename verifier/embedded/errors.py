"""The one exception of the embedded servers."""

from pathlib import Path

_LAST_LINES = 6
_LAST_BYTES = 4096


class EmbeddedError(RuntimeError):
    """The embedded servers cannot be had.

    Attributes:
        code: a short word for programs, such as `postgres_start_failed`.
    """

    def __init__(self, code: str, what: str, remedy: str, log: Path | None = None) -> None:
        """Say what happened, what to do, and show the end of the log it was written to."""
        self.code = code
        lines = [f"{what} {remedy} [{code}]"]
        if log is not None:
            lines += [f"The log is {log}, its last lines:", *last_lines(log)]
        super().__init__("\n".join(lines))


def last_lines(log: Path) -> list[str]:
    """The end of a log, indented; empty where there is none."""
    if not log.is_file():
        return []
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _LAST_BYTES))
        text = file.read().decode(errors="replace")
    return [f"  {line}" for line in text.splitlines()[-_LAST_LINES:]]
