"""What a test of a fault must see before it can show anything.

A process that had no answer from Redis in time, as happens on a busy machine, does not ask it for a moment:
then the command that was to be lost is never sent, or the old value that nobody may read is gone. Such a run
shows nothing, neither good nor bad, and the test is run again. What must never happen stays an `assert`.
"""

RUNS = 5


class NothingShown(Exception):
    """The fault did not come about."""


def premise(holds: object, what: str) -> None:
    """Go on only when this holds.

    Raises:
        NothingShown: it does not; after so many runs the test fails.
    """
    if not holds:
        raise NothingShown(what)
