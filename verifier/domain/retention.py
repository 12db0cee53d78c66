"""How long records are kept: a regulation says which clocks run, from which start, for how many years.

Pure. A pack, its attempts and its alerts are kept and deleted together, so the last of the clocks decides.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, date, datetime, timedelta
from enum import StrEnum

from verifier.domain.expiry import Expiry

REPLAYABLE = timedelta(days=90)
"""An idempotency key, and the event with the answer that it replays, are kept for at least so long."""


class RecordClass(StrEnum):
    """What is kept, in the words of the US statute; the EU knows one class only."""

    TRANSACTION = "transaction"  # the pack itself and every attempt on it
    INVESTIGATION = "investigation"  # its alerts
    DISPOSITION = "disposition"  # the change that took it out of the supply chain


class Start(StrEnum):
    """The event from which a clock runs."""

    EXPIRY = "expiry"
    RELEASE = "release"
    LAST_EVENT = "last event"
    CONCLUSION = "conclusion"
    DISPOSAL = "disposal"


@dataclass(frozen=True, slots=True)
class Clock:
    """Records of this class are kept for so many years from this start."""

    keeps: RecordClass
    start: Start
    years: int
    basis: str


@dataclass(frozen=True, slots=True)
class Life:
    """What the clocks of one pack start from; None where that has not happened or is not known.

    Attributes:
        expiry: as printed; a day 00 is the end of its month.
        released: when the pack was released for sale, as far as is known.
        last_event: the latest attempt on it, accepted or refused.
        concluded: when the last of its closed alerts was closed.
        disposed: when it left the supply chain.
        open_alerts: has it an alert that is not closed?
    """

    expiry: Expiry | None = None
    released: datetime | None = None
    last_event: datetime | None = None
    concluded: datetime | None = None
    disposed: datetime | None = None
    open_alerts: bool = False

    def starts(self, start: Start) -> date | None:
        """The day on which a clock with this start began to run, None when it has not."""
        if start is Start.EXPIRY:
            return self.expiry.last_day() if self.expiry else None
        instant = {
            Start.RELEASE: self.released,
            Start.LAST_EVENT: self.last_event,
            Start.CONCLUSION: self.concluded,
            Start.DISPOSAL: self.disposed,
        }[start]
        return _day(instant) if instant else None


UNKNOWN_PACK = (
    Clock(RecordClass.TRANSACTION, Start.LAST_EVENT, 6, "the longest of the regulations"),
    Clock(RecordClass.INVESTIGATION, Start.CONCLUSION, 6, "360eee-1(c)(4)(A)(iii), (d)(4)(A)(iv)"),
)
"""For attempts on packs that were never loaded: nobody can say under which regulation they fall."""


def keep_until(clocks: Iterable[Clock], life: Life) -> date | None:
    """The last day on which everything about a pack must be kept; None while there is no such day yet.

    Nothing goes while an alert is open (an investigation has no end yet), while no clock runs, or while an
    idempotency key may still be replayed.
    """
    if life.open_alerts:
        return None
    days = [
        years_later(started, clock.years)
        for clock in clocks
        if (started := life.starts(clock.start)) is not None
    ]
    if not days:
        return None
    if life.last_event is not None:
        days.append(_day(life.last_event) + REPLAYABLE)
    return max(days)


def is_over(kept_until: date | None, now: datetime) -> bool:
    """Has that day ended, wherever on Earth a site may be? UTC-12 is the last to see a day end."""
    return kept_until is not None and _day(now) - timedelta(days=1) > kept_until


def cutoff(years: int, now: datetime) -> date:
    """A clock of so many years that started before this day is over.

    For searching: `is_over(years_later(day, years), now)` holds for every day before it.
    """
    today = _day(now) - timedelta(days=1)
    try:
        return today.replace(year=today.year - years)
    except ValueError:  # a leap day
        return today.replace(year=today.year - years, day=28)


def years_later(day: date, years: int) -> date:
    """The same day so many years on; 1 March for a leap day, so that nothing is kept too short."""
    year = day.year + years
    if year > MAXYEAR:
        return date.max
    try:
        return day.replace(year=year)
    except ValueError:  # a leap day
        return date(year, 3, 1)


def _day(instant: datetime) -> date:
    return instant.astimezone(UTC).date()
