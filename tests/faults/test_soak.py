"""The soak finds a service that is wrong, and nothing in one that is not."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def soak(*options: str) -> tuple[int, dict[str, Any]]:
    folders = os.pathsep.join(str(HERE.parent / name) for name in ("system", "storage"))
    done = subprocess.run(
        [sys.executable, str(HERE / "soak.py"), *options],
        env=os.environ | {"PYTHONPATH": folders},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        timeout=170,
    )
    return done.returncode, json.loads(done.stdout)


def test_a_short_soak_with_faults_finds_nothing_wrong():
    code, told = soak("--seconds", "8", "--people", "1", "--pause", "0.8")
    assert code == 0, told
    assert told["operations"] > 100
    assert sum(told["faults"].values()) > 2
    assert told["cache_values"] > 0


def test_a_service_with_two_mistakes_is_found_out_twice():
    mistakes = "forgets_the_fence accepts_twice"
    code, told = soak("--seconds", "8", "--people", "1", "--no-faults", "--mistakes", mistakes)
    assert code == 1, told
    assert told["stale_reads"] > 0
    assert told["impossible_changes"] > 0
