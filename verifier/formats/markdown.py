"""The tables of the rules as Markdown: reasons and regulations, for api_spec/.

It prints what the domain holds and adds no rule of its own.
"""

from collections.abc import Collection, Iterable, Iterator

from verifier.domain.lifecycle import Action, Operation, PackGuard, Profile
from verifier.domain.pack import SiteType, State
from verifier.domain.permissions import ACTIONS, RETURNS_CHECK
from verifier.domain.profiles import load, names
from verifier.domain.reasons import LANGUAGES, REASONS, WORDS, Reason, named

NONE = "none"


def reasons() -> str:
    """Every code of a verdict: signal, alert by regulation, and what it tells a person by language."""
    profiles = [load(name) for name in names()]
    heads = ("code", "signal", *(f"alert under {code(profile.code)}" for profile in profiles))
    rows = (
        (code(reason.code), reason.signal, *(alert(reason, profile) for profile in profiles))
        for reason in REASONS.values()
    )
    return document(
        "# Reasons",
        "Every code of a verdict. Printed by `verifier spec`; `GET /v1/reasons` serves them to programs.",
        "## Signals and alerts",
        "An alert's `cause` is the code of the first column. An alert code in brackets is the European hub's "
        "name for the case; no alert is raised.",
        table(heads, rows),
        *(part for language in LANGUAGES for part in words_in(language)),
    )


def alert(reason: Reason, profile: Profile) -> str:
    """Which alert this code raises under this regulation, in all its cases."""
    always = named(profile, reason.alert or profile.undo_alerts.get(reason.code))
    asked = named(profile, reason.alert_if_asked)
    repeated = named(profile, reason.alert_when_repeated)
    if asked not in (None, always):
        return f"{code(always)}; {code(asked)} if just that state was asked for"
    if always is not None:
        return code(always)
    if repeated is not None:
        return f"{code(repeated)} from the site's repeat no. {profile.quiet_repeats + 1} on"
    if reason.quiet_code is not None and profile.alert_as is None:
        return f"{NONE} ({code(reason.quiet_code)})"
    return NONE


def words_in(language: str) -> Iterator[str]:
    """Title and advice; of a code with a colon, those of an accepted operation."""
    yield f"## Title and advice: {language}"
    rows = ((code(name), title, advice) for name, (title, advice) in WORDS[language].items())
    yield table(("code", "title", "advice"), rows)


def profiles() -> str:
    """Every regulation as its table, its conditions in words, and which sites may ask for what."""
    regulations = [load(name) for name in names()]
    return document(
        "# Regulations",
        "What is not in a regulation's table is refused with a code made from request and state. Printed by "
        "`verifier spec`.",
        *(part for profile in regulations for part in regulation(profile)),
        "## The conditions in words",
        "Articles are those of Delegated Regulation (EU) 2016/161.",
        table(("condition", "what must hold"), conditions(regulations)),
        "## Who may ask",
        "Beside the scope of the token, the type of the site decides.",
        table(("request", *SiteType), permissions()),
    )


def regulation(profile: Profile) -> Iterator[str]:
    """One regulation: what a code must carry, the checks before the state, the life cycle."""
    yield f"## {profile.title}"
    yield (
        f"`profile`: {code(profile.code)}. Beside product code and serial a pack code must carry: "
        f"{', '.join(profile.needed) or NONE}."
    )
    yield "### Asked before the pack's own state"
    yield table(
        ("request", "in this order"),
        ((request(action), listed(profile.checks.get(action, ()), " → ")) for action in Action),
    )
    yield "### Life cycle"
    yield diagram(profile)
    yield table(
        ("from", "request", "to", "only if", "basis"),
        (
            (code(row.source), request(row.action), code(row.target), listed(row.guards, ", "), row.basis)
            for row in profile.table
        ),
    )


def diagram(profile: Profile) -> str:
    """The changes of state in Mermaid; a change is named where its target does not say it."""
    changes = [row for row in profile.table if row.source is not row.target]
    left = {row.source for row in changes}
    lines = [f"    [*] --> {State.ACTIVE}"]
    for row in changes:
        name = "" if row.action.value == row.target.value else f": {row.action}"
        lines.append(f"    {row.source} --> {row.target}{name}")
    lines += [f"    {state} --> [*]" for state in State if state not in left]
    return "\n".join(("```mermaid", "stateDiagram-v2", *lines, "```"))


def conditions(regulations: Iterable[Profile]) -> Iterable[tuple[str, str]]:
    """Every guard that a regulation uses, once: its name and the first line of its docstring."""
    guards: list[PackGuard] = []
    for profile in regulations:
        guards += [guard for checks in profile.checks.values() for guard in checks]
        guards += [guard for row in profile.table for guard in row.guards]
    return {code(guard.__name__): (guard.__doc__ or "").partition("\n")[0] for guard in guards}.items()


def permissions() -> Iterator[tuple[str, ...]]:
    """By request, whether each type of site may ask for it."""
    asked: dict[str, Collection[SiteType]] = {request(action): sites for action, sites in ACTIONS.items()}
    asked[code(Operation.RETURNS_CHECK)] = RETURNS_CHECK
    for name, sites in asked.items():
        yield (name, *("yes" if kind in sites else "no" for kind in SiteType))


def request(action: Action) -> str:
    """How the API asks for this action; what only looks is called verify."""
    match action:
        case Action.LOOK:
            return code(Operation.VERIFY)
        case Action.DISPENSE:
            return code(Operation.DISPENSE)
        case Action.REACTIVATE:
            return code(Operation.REACTIVATE)
        case reason:
            return f"{code(Operation.DECOMMISSION)} {code(reason)}"


def listed(guards: Iterable[PackGuard], between: str) -> str:
    """The guards' names."""
    return between.join(code(guard.__name__) for guard in guards) or NONE


def code(text: str | None) -> str:
    """Set as code."""
    return f"`{text}`"


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table; a bar inside a cell is escaped."""
    first = list(heads)
    lines = [first, ["---"] * len(first), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines)


def document(*parts: str) -> str:
    """The parts with an empty line between them."""
    return "\n\n".join(parts) + "\n"
