"""EU Falsified Medicines Directive: Delegated Regulation (EU) 2016/161."""

from verifier.domain.guards import (
    in_date,
    not_on_hold,
    not_recalled,
    not_supplied_to_public,
    not_withdrawn,
    same_site,
    seal_intact,
    undo_in_date,
    undo_not_recalled,
    within,
)
from verifier.domain.lifecycle import Action as A  # noqa: N817 - the columns of a table
from verifier.domain.lifecycle import Profile
from verifier.domain.machine import Row, Table
from verifier.domain.pack import State as S  # noqa: N817 - the columns of a table
from verifier.domain.retention import Clock, Start
from verifier.domain.retention import RecordClass as R

IN_TRADE = (seal_intact, not_withdrawn, not_recalled, in_date, not_on_hold)
UNDO = (same_site, within(days=10), undo_in_date, undo_not_recalled)
UNDO_SUPPLY = (*UNDO, not_supplied_to_public)
UNDO_LOCK = (same_site, undo_in_date, undo_not_recalled)

# fmt: off
PROFILE = Profile(
    code="eu_fmd",
    title="EU FMD, Delegated Regulation (EU) 2016/161",
    checks={
        A.LOOK:        IN_TRADE,
        A.DISPENSE:    IN_TRADE,
        A.EXPORT:      IN_TRADE,
        A.SAMPLE:      IN_TRADE,
        A.FREE_SAMPLE: IN_TRADE,
        A.CHECK_OUT:   IN_TRADE,
    },
    table=Table(
        #   from           action         to             only if      basis
        Row(S.ACTIVE,      A.LOOK,        S.ACTIVE,      (),          "Art. 10, 11"),
        Row(S.ACTIVE,      A.DISPENSE,    S.DISPENSED,   (),          "Art. 23, 25(1)"),
        Row(S.ACTIVE,      A.EXPORT,      S.EXPORTED,    (),          "Art. 22(a)"),
        Row(S.ACTIVE,      A.DESTROY,     S.DESTROYED,   (),          "Art. 22(b), 22(c), 25, 40"),
        Row(S.ACTIVE,      A.SAMPLE,      S.SAMPLE,      (),          "Art. 22(d), 25"),
        Row(S.ACTIVE,      A.FREE_SAMPLE, S.FREE_SAMPLE, (),          "Art. 41"),
        Row(S.ACTIVE,      A.STEAL,       S.STOLEN,      (),          "Art. 40"),
        Row(S.ACTIVE,      A.LOCK,        S.LOCKED,      (),          "EMVS pack states"),
        Row(S.ACTIVE,      A.CHECK_OUT,   S.CHECKED_OUT, (),          "Art. 16"),
        Row(S.LOCKED,      A.DESTROY,     S.DESTROYED,   (),          "Art. 22(c), 40"),
        Row(S.LOCKED,      A.STEAL,       S.STOLEN,      (),          "Art. 40"),
        Row(S.DISPENSED,   A.REACTIVATE,  S.ACTIVE,      UNDO_SUPPLY, "Art. 13(1)"),
        Row(S.EXPORTED,    A.REACTIVATE,  S.ACTIVE,      UNDO,        "Art. 13(1)"),
        Row(S.SAMPLE,      A.REACTIVATE,  S.ACTIVE,      UNDO,        "Art. 13(1)"),
        Row(S.FREE_SAMPLE, A.REACTIVATE,  S.ACTIVE,      UNDO,        "Art. 13(1)"),
        Row(S.CHECKED_OUT, A.REACTIVATE,  S.ACTIVE,      UNDO,        "Art. 13(1)"),
        Row(S.LOCKED,      A.REACTIVATE,  S.ACTIVE,      UNDO_LOCK,   "EMVS: no time limit for a lock"),
    ),
    retention=(
        #     keeps          from           years  basis
        Clock(R.TRANSACTION, Start.EXPIRY,  1,     "Art. 33(4), 35(1)(g)"),
        Clock(R.TRANSACTION, Start.RELEASE, 5,     "Art. 33(4), 35(1)(g)"),
    ),
)
# fmt: on
