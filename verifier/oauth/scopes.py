"""The scopes of the service, in the order of the contract."""

SCOPES = (
    "verify",
    "dispense",
    "decommission",
    "returns",
    "vrs",
    "packs:read",
    "packs:write",
    "recalls:write",
    "alerts:read",
    "alerts:write",
    "audit:read",
    "reports:read",
    "admin",
)


def ordered(scopes: frozenset[str]) -> str:
    """Scopes as RFC 6749 section 3.3 writes them, in the order of the contract; unknown ones at the end."""
    known = [scope for scope in SCOPES if scope in scopes]
    return " ".join(known + sorted(scopes.difference(SCOPES)))


def unknown(scopes: frozenset[str]) -> list[str]:
    """Those that the service does not have."""
    return sorted(scopes.difference(SCOPES))
