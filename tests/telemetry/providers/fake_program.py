"""Puts a fake nvidia-smi or nvtop first in PATH."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.support.servers import ROOT


class FakeProgram:
    """A program with this name, in its own folder of PATH."""

    def __init__(self, name: str, folder: Path) -> None:
        self._scenario = folder / "scenario.json"
        program = folder / "bin" / name
        program.parent.mkdir(parents=True)
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{ROOT / "tests/fakes/program.py"}" "$@"\n')
        program.chmod(0o755)
        self.environment = {"PATH": f"{program.parent}:/usr/bin:/bin", "FAKE_PROGRAM_SCENARIO": str(self._scenario)}

    def plays(self, scenario: dict[str, list[dict[str, object]]]) -> dict[str, str]:
        """Set the scenario; returns the environment in which the program is found."""
        self._scenario.write_text(json.dumps(scenario))
        return self.environment

    @property
    def calls(self) -> list[list[object]]:
        """PID and arguments of each start so far."""
        path = Path(f"{self._scenario}.calls")
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
