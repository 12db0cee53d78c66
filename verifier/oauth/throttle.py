"""Limits of the token endpoint. Counted in each process: the service allows as many times more as it has."""

import hashlib
import secrets
import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

FAILURES = RateLimitItemPerMinute(30, namespace="failures")
"""Failed authentications a client id and remote address."""

TOKENS = RateLimitItemPerMinute(600, namespace="tokens")
"""Access tokens a client."""

_BUCKET_BYTES = 2


class Throttle:
    """Two moving windows of a minute. Each method that counts returns the seconds to wait, 0 for go on."""

    def __init__(self) -> None:
        self._window = MovingWindowRateLimiter(MemoryStorage())
        self._salt = secrets.token_bytes(16)

    def locked(self, client_id: str, address: str) -> int:
        """Has this client id failed too often from this address?"""
        bucket = self._bucket(client_id, address)
        return 0 if self._window.test(FAILURES, bucket) else self._wait(FAILURES, bucket)

    def failed(self, client_id: str, address: str) -> None:
        """Count one failed authentication."""
        self._window.hit(FAILURES, self._bucket(client_id, address))

    def issue(self, client_id: str) -> int:
        """Count one access token for a client that has authenticated."""
        return 0 if self._window.hit(TOKENS, client_id) else self._wait(TOKENS, client_id)

    def _bucket(self, client_id: str, address: str) -> str:
        """One of 65,536, so that made-up client ids cannot fill the memory; which one nobody can foresee."""
        text = f"{address} {client_id}".encode(errors="replace")
        return hashlib.blake2s(text, key=self._salt, digest_size=_BUCKET_BYTES).hexdigest()

    def _wait(self, item: RateLimitItemPerMinute, name: str) -> int:
        reset = self._window.get_window_stats(item, name).reset_time
        return max(1, round(reset - time.time()))
