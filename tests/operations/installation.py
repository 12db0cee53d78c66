"""An installation to be looked at by `verifier doctor`."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from click.testing import CliRunner, Result

from verifier.cli.checks.finding import SUBJECTS, Level
from verifier.cli.main import main


@dataclass
class Installation:
    """Settings and a home folder, to be looked at."""

    home: Path
    settings: dict[str, str] = field(default_factory=dict)

    def run(self, *arguments: str) -> Result:
        clean: dict[str, str | None] = {name: None for name in os.environ if name.startswith("VERIFIER_")}
        return CliRunner().invoke(
            main, arguments, env=clean | {"VERIFIER_HOME": str(self.home)} | self.settings
        )

    def findings(self, *, code: int) -> dict[str, dict[str, str]]:
        """By their code; the exit code was this one."""
        done = self.run("doctor")
        assert done.exit_code == code, done.output
        found = [json.loads(line) for line in done.stdout.splitlines()]
        assert all(each["subject"] == SUBJECTS[each["code"]] for each in found)
        assert all(each["remedy"] for each in found if each["level"] in (Level.WRONG, Level.WARNING))
        return {each["code"]: each for each in found}
