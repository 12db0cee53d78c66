"""From what was asked and what is stored to one decision: identity, checks, table, guards.

Everything that allows or refuses a state change is in a profile's table or in a guard that it names.
This file does not know which regulation it serves.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from verifier.domain.codes import PackCode
from verifier.domain.machine import Accepted, Guard, Table, first_refusal
from verifier.domain.pack import Batch, Found, Pack, Product, Site, State
from verifier.domain.retention import Clock


class Operation(StrEnum):
    """What the caller asked for, as the API names it."""

    VERIFY = "verify"
    READ = "read"
    RETURNS_CHECK = "returns_check"
    DISPENSE = "dispense"
    DECOMMISSION = "decommission"
    REACTIVATE = "reactivate"


class Action(StrEnum):
    """What a table row is about. A decommission is named by its reason, which is also its target state."""

    LOOK = "look"
    DISPENSE = "dispensed"
    EXPORT = "exported"
    DESTROY = "destroyed"
    SAMPLE = "sample"
    FREE_SAMPLE = "free_sample"
    STEAL = "stolen"
    LOCK = "locked"
    CHECK_OUT = "checked_out"
    REACTIVATE = "reactivate"


DECOMMISSION_REASONS = frozenset(Action) - {Action.LOOK, Action.DISPENSE, Action.REACTIVATE}


class Seal(StrEnum):
    """The anti-tampering device as the person saw it (Art. 10(b))."""

    INTACT = "intact"
    BROKEN = "broken"
    NOT_CHECKED = "not_checked"


@dataclass(frozen=True, slots=True)
class Attempt:
    """What is asked, by whom, when.

    `now` is the instant of receipt, the one clock reading of a decision; `today` is its date at the site.
    """

    action: Action
    code: PackCode
    site: Site
    now: datetime
    today: date
    seal: Seal = Seal.NOT_CHECKED
    offline: bool = False
    not_supplied_to_public: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """An attempt on a pack that was found, as the guards see it."""

    attempt: Attempt
    product: Product
    batch: Batch
    pack: Pack


PackGuard = Guard[Case]
PackTable = Table[State, Action, Case]


@dataclass(frozen=True, slots=True)
class Profile:
    """A regulation as data.

    Attributes:
        code: its name in the API and in the product master data.
        title: its name for people.
        checks: by action, the overlays that are asked before the pack's own state, in order.
        table: the life cycle.
        needed: elements that a code must carry beside product code and serial.
        alert_as: one alert code for every cause, or None for the hub codes of the reasons table.
        undo_alerts: refusals of an undo that raise an alert in this market, with the alert code.
        quiet_repeats: how often a site may repeat its own change before it raises an alert.
        retention: how long records are kept; without any clock for ever.
        speaks_lms: are its packs verified by GS1 lightweight messages between trading partners?
    """

    code: str
    title: str
    checks: Mapping[Action, tuple[PackGuard, ...]]
    table: PackTable
    needed: tuple[str, ...] = ("lot", "expiry")
    alert_as: str | None = None
    undo_alerts: Mapping[str, str] = field(default_factory=dict)
    quiet_repeats: int = 3
    retention: tuple[Clock, ...] = ()
    speaks_lms: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer of the rules: a code of the reasons table, and the state to go to when a change is due."""

    code: str
    target: State | None = None

    @property
    def accepted(self) -> bool:
        """Accepted decisions have the code `ok` and no other."""
        return self.code == OK


OK = "ok"


def decide(profile: Profile, attempt: Attempt, found: Found) -> Decision:
    """The one place where a pack is judged. Pure.

    The order is the contract's: identity, seal, overlays, state, guards.
    """
    mismatch = identity(attempt.code, found)
    if mismatch is not None:
        return Decision(mismatch)
    assert found.product is not None  # noqa: S101 - identity() has seen to all three
    assert found.pack is not None  # noqa: S101
    batch = found.batch or Batch(found.pack.gtin, found.pack.lot)
    case = Case(attempt, found.product, batch, found.pack)
    code = first_refusal(profile.checks.get(attempt.action, ()), case)
    if code is not None:
        return Decision(code)
    match profile.table.step(case.pack.state, attempt.action, case):
        case Accepted(target):
            return Decision(OK, target if target is not case.pack.state else None)
        case refused:
            return Decision(refused.code or refusal_by_state(profile, attempt, case.pack))


def identity(code: PackCode, found: Found) -> str | None:
    """Is this the pack that the manufacturer made? Art. 11: product code and serial; lot and expiry beside.

    An element that the profile does not ask for and that was not sent is not compared.
    """
    if found.product is None:
        return "unknown_product"
    if found.pack is None:
        return "unknown_serial" if found.lot_known else "unknown_batch"
    if code.lot is not None and code.lot != found.pack.lot:
        return "lot_mismatch"
    if code.expiry is not None and not code.expiry.same(found.pack.expiry):
        return "expiry_mismatch"
    return None


def refusal_by_state(profile: Profile, attempt: Attempt, pack: Pack) -> str:
    """The code for a state and action that the table does not have."""
    if attempt.action is Action.REACTIVATE:
        return "undo_state_mismatch" if pack.state is State.ACTIVE else "undo_not_possible"
    can_be_undone = (pack.state, Action.REACTIVATE) in profile.table
    if can_be_undone and pack.state_site == attempt.site.gln:
        return "already_done_here"
    if attempt.offline and attempt.action is not Action.LOOK and pack.state_site != attempt.site.gln:
        return "replay_conflict"
    return f"already_{pack.state}"
