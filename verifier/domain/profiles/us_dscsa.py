"""US Drug Supply Chain Security Act: 21 U.S.C. 360eee, 360eee-1.

The statute knows verification, quarantine and disposition, not pack states: the states are those of the
service, and an undo has no deadline and needs no declaration. Every alert is a suspect product.
"""

from verifier.domain.guards import (
    in_date,
    not_on_hold,
    not_recalled,
    not_withdrawn,
    same_site,
    seal_intact,
    undo_in_date,
    undo_not_recalled,
)
from verifier.domain.lifecycle import Action as A  # noqa: N817 - the columns of a table
from verifier.domain.lifecycle import Profile
from verifier.domain.machine import Row, Table
from verifier.domain.pack import State as S  # noqa: N817 - the columns of a table
from verifier.domain.retention import Clock, Start
from verifier.domain.retention import RecordClass as R

IN_TRADE = (seal_intact, not_withdrawn, not_recalled, in_date, not_on_hold)
UNDO = (same_site, undo_in_date, undo_not_recalled)

# fmt: off
PROFILE = Profile(
    code="us_dscsa",
    title="US DSCSA, 21 U.S.C. 360eee-1",
    alert_as="SUSPECT",
    speaks_lms=True,
    checks={
        A.LOOK:        IN_TRADE,
        A.DISPENSE:    IN_TRADE,
        A.EXPORT:      IN_TRADE,
        A.SAMPLE:      IN_TRADE,
        A.FREE_SAMPLE: IN_TRADE,
        A.CHECK_OUT:   IN_TRADE,
    },
    table=Table(
        #   from           action         to             only if basis
        Row(S.ACTIVE,      A.LOOK,        S.ACTIVE,      (),     "360eee(28)"),
        Row(S.ACTIVE,      A.DISPENSE,    S.DISPENSED,   (),     "360eee-1(d)"),
        Row(S.ACTIVE,      A.EXPORT,      S.EXPORTED,    (),     "360eee(4), disposition"),
        Row(S.ACTIVE,      A.DESTROY,     S.DESTROYED,   (),     "360eee(4), disposition"),
        Row(S.ACTIVE,      A.SAMPLE,      S.SAMPLE,      (),     "360eee-1(c)(4)(B)(i), (d)(4)(B)(i)"),
        Row(S.ACTIVE,      A.FREE_SAMPLE, S.FREE_SAMPLE, (),     "360eee(4), disposition"),
        Row(S.ACTIVE,      A.STEAL,       S.STOLEN,      (),     "360eee(21)(A)"),
        Row(S.ACTIVE,      A.LOCK,        S.LOCKED,      (),     "360eee(15), quarantine"),
        Row(S.ACTIVE,      A.CHECK_OUT,   S.CHECKED_OUT, (),     "360eee-1(e), repackager"),
        Row(S.LOCKED,      A.DESTROY,     S.DESTROYED,   (),     "360eee(4), disposition"),
        Row(S.LOCKED,      A.STEAL,       S.STOLEN,      (),     "360eee(21)(A)"),
        Row(S.DISPENSED,   A.REACTIVATE,  S.ACTIVE,      UNDO,   "correction by the site that erred"),
        Row(S.EXPORTED,    A.REACTIVATE,  S.ACTIVE,      UNDO,   "correction by the site that erred"),
        Row(S.SAMPLE,      A.REACTIVATE,  S.ACTIVE,      UNDO,   "correction by the site that erred"),
        Row(S.FREE_SAMPLE, A.REACTIVATE,  S.ACTIVE,      UNDO,   "correction by the site that erred"),
        Row(S.CHECKED_OUT, A.REACTIVATE,  S.ACTIVE,      UNDO,   "correction by the site that erred"),
        Row(S.LOCKED,      A.REACTIVATE,  S.ACTIVE,      UNDO,   "360eee-1(c)(4)(A)(ii), (d)(4)(A)(iii)"),
    ),
    retention=(
        #     keeps            from              years  basis
        Clock(R.TRANSACTION,   Start.EXPIRY,     0,     "360eee-1(b)(4)(C), (c)(4)(D): answers"),
        Clock(R.TRANSACTION,   Start.RELEASE,    6,     "360eee-1(c)(1)(A)(v)"),
        Clock(R.TRANSACTION,   Start.LAST_EVENT, 6,     "360eee-1(c)(1)(A)(v)"),
        Clock(R.INVESTIGATION, Start.CONCLUSION, 6,     "360eee-1(c)(4)(A)(iii), (d)(4)(A)(iv)"),
        Clock(R.DISPOSITION,   Start.DISPOSAL,   6,     "360eee-1(c)(4)(B)(v), (d)(4)(B)(v)"),
    ),
)
# fmt: on
