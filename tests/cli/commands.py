"""The command `verifier` in processes of its own, on one home."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

FOREIGN = ("VERIFIER_", "SCANNER_")


class Shell:
    """Somebody at a terminal with this home and these variables, in a folder of their own."""

    def __init__(self, home: Path, folder: Path, **variables: str) -> None:
        self.home = home
        self.folder = folder
        clean = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        self.environment = clean | {"VERIFIER_HOME": str(home)} | variables

    def start(self, *arguments: str | Path, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "verifier", *map(str, arguments)],
            env=self.environment | variables,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str | Path, code: int = 0, **variables: str) -> tuple[str, str]:
        """What went to stdout and to stderr, once the command has ended with this code."""
        process = self.start(*arguments, **variables)
        out, said = process.communicate(timeout=90)
        assert process.returncode == code, (out, said)
        return out, said

    def json(self, *arguments: str | Path, **variables: str) -> Any:
        """The result as JSON."""
        return json.loads(self.run(*arguments, **variables)[0])
