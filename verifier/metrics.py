"""What an operator asks: how many scans with which outcome, how fast, how many alerts, how the parts do.

Labels take few values each: never a serial, a GTIN, a site or a client.
"""

import logging
import os
import threading
from collections.abc import Callable
from functools import cache
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess

# with 0.3, the response time of Art. 35(1)(f)
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.5)
_SAMPLE_S = 1.0

LATENCY = Histogram(
    "verifier_request_seconds", "Time from request to answer.", ["route", "status"], buckets=_BUCKETS
)
SCANS = Counter("verifier_scans_total", "Verdicts given.", ["operation", "code"])
SCAN_LATENCY = Histogram(
    "verifier_scan_seconds",
    "Time from request to verdict, where one pack was asked about.",
    ["operation", "signal"],
    buckets=_BUCKETS,
)
ALERTS = Counter("verifier_alerts_total", "Alerts raised or counted once more.", ["code"])
CREDENTIALS = Counter(
    "verifier_credentials_total", "Credentials of trading partners by what was wrong with them.", ["code"]
)
QUESTIONS = Counter(
    "verifier_vrs_questions_total", "Questions to other parties' services by what came of them.", ["asked"]
)
LOOKUPS = Counter("verifier_cache_lookups_total", "Scan-time look-ups by what the cache said.", ["outcome"])
SAMPLES = Counter(
    "verifier_cache_samples_total", "Packs in the cache that were compared with the database.", ["outcome"]
)
DATABASE_ERRORS = Counter(
    "verifier_database_errors_total", "Errors of the database, also those that a retry mended.", ["kind"]
)

# Gauges are read by each process once a second; the page adds up those of the processes that live.
BREAKER_OPEN = Gauge(
    "verifier_cache_breaker_open",
    "Processes that ask Redis nothing, because it did not answer.",
    multiprocess_mode="livesum",
)
SWITCH_ON = Gauge(
    "verifier_cache_switch_on", "1 while the status cache may answer.", multiprocess_mode="livemostrecent"
)
POOL_IN_USE = Gauge(
    "verifier_database_pool_in_use",
    "Database connections that requests are using.",
    multiprocess_mode="livesum",
)
SPOOL_WAITING = Gauge(
    "verifier_scan_spool_waiting_bytes",
    "Scan records on their way to the database.",
    multiprocess_mode="livesum",
)
BUILD = Gauge("verifier_build_info", "What runs here.", ["version", "python"], multiprocess_mode="livemax")
_log = logging.getLogger(__name__)


@cache
def of(metric: Counter | Histogram, *labels: str) -> Any:
    """The metric with these labels; looking it up anew costs as much as counting."""
    return metric.labels(*labels)


class Sampler:
    """Sets gauges once a second in a thread of its own, so that processes that serve no page have theirs."""

    def __init__(self, sample: Callable[[], None]) -> None:
        self._sample = sample
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stop.wait(_SAMPLE_S):
            try:
                self._sample()
            except Exception:  # noqa: BLE001 - the thread must outlive whatever went wrong in one round
                _log.exception("gauges could not be read")


def page() -> bytes:
    """All workers' figures in the Prometheus text format."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest()
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
