"""The scopes of the service, in the order of the contract, and what each is for."""

# fmt: off
SCOPES = {
    "verify":        "look at packs",
    "dispense":      "hand packs out, and undo that",
    "decommission":  "take packs out of the supply chain, and undo that",
    "returns":       "check returned packs, and work at the returns desk",
    "vrs":           "ask and be asked by GS1 messages",
    "packs:read":    "read packs without an alert",
    "packs:write":   "master data of products",
    "recalls:write": "recall, hold and release batches, withdraw products",
    "alerts:read":   "see alerts",
    "alerts:write":  "work on alerts",
    "audit:read":    "see the history of packs, events, and returns sessions",
    "reports:read":  "see reports",
    "admin":         "figures and documents of the running service",
}
# fmt: on


def ordered(scopes: frozenset[str]) -> str:
    """Scopes as RFC 6749 section 3.3 writes them, in the order of the contract; unknown ones at the end."""
    known = [scope for scope in SCOPES if scope in scopes]
    return " ".join(known + sorted(scopes.difference(SCOPES)))


def unknown(scopes: frozenset[str]) -> list[str]:
    """Those that the service does not have."""
    return sorted(scopes.difference(SCOPES))
