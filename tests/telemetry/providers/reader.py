"""A provider in a child process, so that it finds the fakes instead of this machine's programs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

import msgspec

from monitor.telemetry.providers.base import GPU_METRICS, PROCESS_METRICS
from monitor.telemetry.sampler.wire import Failed
from monitor.telemetry.schema import Reading
from tests.support.servers import ROOT


class Reader:
    """A provider in a child process; each `read` returns one reading."""

    def __init__(self, name: str, environment: Mapping[str, str], **options: object) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fakes.read_provider", name, msgspec.json.encode(options).decode()],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def read(self, after_seconds: float = 0.0, clock_step_seconds: float = 0.0) -> Reading:
        """The next reading, validated by the schema's rules.

        For the provider these seconds pass before it, and its wall clock is set forward.
        """
        answer = self.answer(after_seconds, clock_step_seconds)
        assert isinstance(answer, Reading), answer
        check_rules(answer)
        return answer

    def failure(self) -> Failed:
        """Why the provider failed, and the fix."""
        answer = self.answer()
        assert isinstance(answer, Failed), answer
        return answer

    def answer(self, after_seconds: float = 0.0, clock_step_seconds: float = 0.0) -> Reading | Failed:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(f"{after_seconds} {clock_step_seconds}\n".encode())
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it has already failed; its answer is still in the pipe
        line = self._process.stdout.readline()
        assert line, f"the provider's process ended with {self._process.wait(5)}"
        return msgspec.json.decode(line, type=Reading | Failed)

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def check_rules(reading: Reading) -> None:
    """Exactly the missing values have a reason. Decoding has already checked that percentages are 0–100."""
    for gpu in reading.gpus:
        missing = {name for name in GPU_METRICS if getattr(gpu, name) is None}
        assert missing == set(gpu.unavailable), (gpu.name, missing ^ set(gpu.unavailable))
        assert all(gpu.unavailable.values())
        for process in gpu.processes or ():
            unknown = {name for name in PROCESS_METRICS if getattr(process, name) is None}
            assert unknown == set(process.unavailable) & set(PROCESS_METRICS), process
