"""The words that profile tables use. A guard gets a Case and returns None or the code of its refusal.

Its docstring is printed beside the tables: what must hold, the code that is answered otherwise, the clause.
"""

from datetime import timedelta

from verifier.domain.lifecycle import Case, PackGuard

# Before the state: what the seal, the product and the batch say.


def seal_intact(case: Case) -> str | None:
    """The seal is not reported broken, else `seal_broken` (Art. 10(b), 11, 24, 30)."""
    return "seal_broken" if case.attempt.seal == "broken" else None


def not_withdrawn(case: Case) -> str | None:
    """The product is on the market, else `withdrawn`."""
    return "withdrawn" if case.product.withdrawn else None


def not_recalled(case: Case) -> str | None:
    """The batch is not recalled, else `recalled`."""
    return "recalled" if case.batch.recalled else None


def in_date(case: Case) -> str | None:
    """The expiry day has not ended at the site (day 00 is the month's last day), else `expired`."""
    return "expired" if case.attempt.today > case.pack.expiry.last_day() else None


def not_on_hold(case: Case) -> str | None:
    """The batch is not held for an investigation, else `on_hold`."""
    return "on_hold" if case.batch.on_hold else None


# On the way back: Art. 13(1).


def same_site(case: Case) -> str | None:
    """The premises that made the change undo it, else `undo_other_site` (Art. 13(1)(a))."""
    return None if case.pack.state_site == case.attempt.site.gln else "undo_other_site"


def within(*, days: int) -> PackGuard:
    """Not more than so many times 24 hours after the change, that instant included (Art. 13(1)(b))."""
    limit = timedelta(days=days)

    def within_days(case: Case) -> str | None:
        return "undo_too_late" if case.attempt.now - case.pack.state_since > limit else None

    within_days.__name__ = f"within(days={days})"
    ago = f"{days} times 24 hours"
    within_days.__doc__ = f"The change is not more than {ago} ago, else `undo_too_late` (Art. 13(1)(b))."
    return within_days


def undo_in_date(case: Case) -> str | None:
    """The pack is in date, else `undo_expired` (Art. 13(1)(c))."""
    return "undo_expired" if in_date(case) else None


def undo_not_recalled(case: Case) -> str | None:
    """Neither the batch is recalled nor the product withdrawn, else `undo_recalled` (Art. 13(1)(d))."""
    return "undo_recalled" if not_recalled(case) or not_withdrawn(case) else None


def not_supplied_to_public(case: Case) -> str | None:
    """The site declares that the pack never left it, else `undo_supplied_to_public` (Art. 13(1)(e)).

    Nobody else can know.
    """
    return None if case.attempt.not_supplied_to_public else "undo_supplied_to_public"
