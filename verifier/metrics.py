"""What an operator asks: how many scans with which outcome, how fast, how many alerts, how the cache does."""

import os

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, multiprocess

LATENCY = Histogram(
    "verifier_request_seconds",
    "Time from request to answer.",
    ["route", "status"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.5),
)
SCANS = Counter("verifier_scans_total", "Verdicts given.", ["operation", "code"])
ALERTS = Counter("verifier_alerts_total", "Alerts raised or counted once more.", ["code"])
LOOKUPS = Counter("verifier_cache_lookups_total", "Scan-time look-ups by what the cache said.", ["outcome"])


def page() -> bytes:
    """All workers' figures in the Prometheus text format."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest()
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
