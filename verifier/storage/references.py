"""This process's copies of products and batches."""

import threading
from typing import Any

from verifier.domain.pack import Batch, Product


class References:
    """A bounded copy of products and batches, each valid for one reference generation."""

    def __init__(self, limit: int = 50_000) -> None:
        self._limit = limit
        self._copies: dict[tuple[str, ...], tuple[int, Any]] = {}
        self._lock = threading.Lock()

    def get(self, generation: int, *key: str) -> Any:
        """The copy, when it was made under this generation; else None."""
        held = self._copies.get(key)
        return held[1] if held is not None and held[0] == generation else None

    def put(self, generation: int, value: Product | Batch | None, *key: str) -> None:
        """Keep a copy that was read after `generation` was; absence is not kept."""
        if value is None:
            return
        with self._lock:
            if len(self._copies) >= self._limit:
                self._copies.clear()
            self._copies[key] = (generation, value)
