"""Every code of a verdict: how loud it is, which alert it raises, what it tells a person.

Hub alert codes are those of the European hub (A1, A2, A3, A7, A24, A52, A68); ATD, DES and DUP are ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from verifier.domain.lifecycle import Attempt, Profile
from verifier.domain.pack import State
from verifier.domain.wording import de, en, fr

WORDS: Mapping[str, Mapping[str, tuple[str, str]]] = {"en": en.WORDS, "de": de.WORDS, "fr": fr.WORDS}
LANGUAGES = tuple(WORDS)
"""The first one is for whoever asks for none of them."""


class Signal(StrEnum):
    """What the person at the counter sees first. Only a client makes grey (not checked)."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"


@dataclass(frozen=True, slots=True)
class Reason:
    """One code. `alert` is the hub code that it raises; `quiet_code` one that is named but raises nothing."""

    code: str
    signal: Signal
    alert: str | None = None
    alert_if_asked: str | None = None
    alert_when_repeated: str | None = None
    quiet_code: str | None = None


G, Y, R = Signal.GREEN, Signal.AMBER, Signal.RED
SAME = "A7"  # the pack is already in just the state that was asked for
OTHER = "A24"  # the change could not be performed

# fmt: off
REASONS: Mapping[str, Reason] = {reason.code: reason for reason in (
    Reason("ok",                      G),
    Reason("unknown_product",         Y, quiet_code="A1"),
    Reason("unknown_serial",          R, "A3"),
    Reason("unknown_batch",           R, "A2"),
    Reason("lot_mismatch",            R, "A68"),
    Reason("expiry_mismatch",         R, "A52"),
    Reason("seal_broken",             R, "ATD"),
    Reason("withdrawn",               R),
    Reason("recalled",                R),
    Reason("expired",                 R),
    Reason("on_hold",                 R),
    Reason("already_dispensed",       R, OTHER, alert_if_asked=SAME),
    Reason("already_exported",        R, OTHER, alert_if_asked=SAME),
    Reason("already_sample",          R, OTHER, alert_if_asked=SAME),
    Reason("already_free_sample",     R, OTHER, alert_if_asked=SAME),
    Reason("already_stolen",          R, OTHER, alert_if_asked=SAME),
    Reason("already_locked",          R, OTHER, alert_if_asked=SAME),
    Reason("already_checked_out",     R, OTHER, alert_if_asked=SAME),
    Reason("already_destroyed",       R, "DES"),
    Reason("already_done_here",       Y, alert_when_repeated=OTHER),
    Reason("undo_state_mismatch",     R, OTHER),
    Reason("undo_not_possible",       R),
    Reason("undo_other_site",         R),
    Reason("undo_too_late",           R),
    Reason("undo_expired",            R),
    Reason("undo_recalled",           R),
    Reason("undo_supplied_to_public", R),
    Reason("duplicate_in_request",    R, "DUP"),
    Reason("replay_conflict",         R, OTHER),
)}
# fmt: on

IDENTITY_MISSES = frozenset({"unknown_serial", "unknown_batch", "lot_mismatch", "expiry_mismatch"})
"""What a typing slip looks like: some element of the code is not the stored one."""
OF_ANOTHER_CODE = IDENTITY_MISSES | {"mismatch"}
"""Causes of alerts that say nothing of the stored pack: what was scanned was not its code.

`mismatch` is the network's word for it. Whoever mistypes somebody else's serial must not make it suspect.
"""


def alert_code(profile: Profile, attempt: Attempt, code: str, state: State | None) -> str | None:
    """The alert that this code raises now, before repeats and typing slips are counted."""
    reason = REASONS[code]
    asked = state is not None and attempt.action.value == state.value
    raised = reason.alert_if_asked if asked and reason.alert_if_asked else reason.alert
    return named(profile, raised or profile.undo_alerts.get(code))


def repeat_alert_code(profile: Profile, code: str) -> str | None:
    """The alert that this code raises when a site repeats itself too often."""
    return named(profile, REASONS[code].alert_when_repeated)


def named(profile: Profile, alert: str | None) -> str | None:
    """The alert's code in this regulation."""
    return alert if alert is None or profile.alert_as is None else profile.alert_as


def words(code: str, operation: str, language: str) -> tuple[str, str]:
    """Title and advice for a person; of an accepted operation, the operation's own."""
    table = WORDS[language]
    return table.get(f"{code}:{operation}") or table[code]
