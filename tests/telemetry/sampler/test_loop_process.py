"""The sampler as a process: what it sends and when it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping

import msgspec
import pytest

from monitor.telemetry.options import Options
from monitor.telemetry.sampler import wire
from monitor.telemetry.sampler.loop import (
    EXIT_NO_ORDERS,
    EXIT_NO_PROVIDER,
)
from monitor.telemetry.sampler.process import COMMAND
from monitor.telemetry.schema import Reading
from monitor.telemetry.subprocesses import environment
from tests.fakes.fake_driver import FakeDriver

pytestmark = pytest.mark.slow


class Process:
    """A sampler process: options go in, frames come out one by one."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "monitor.telemetry.sampler.loop"],
            env={**os.environ, **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
        )
        self._reader, self._messages = wire.MessageReader(), list[wire.Message]()

    def order(self, line: bytes) -> None:
        assert self.popen.stdin is not None
        self.popen.stdin.write(line + b"\n")

    def tell(self, **options: object) -> None:
        self.order(msgspec.json.encode(msgspec.structs.replace(Options(interval_seconds=0.1), **options)))

    def hear(self) -> wire.Message:
        assert self.popen.stdout is not None
        while not self._messages:
            data = os.read(self.popen.stdout.fileno(), 1 << 16)
            assert data, f"it ended: {self.end()}"
            self._messages += self._reader.feed(data)
        return self._messages.pop(0)

    def end(self) -> tuple[int, str]:
        """Close its stdin; return its exit status and stderr."""
        _, said = self.popen.communicate(timeout=40)
        return self.popen.returncode, said.decode()


@pytest.fixture
def start_sampler() -> Iterator[Callable[..., Process]]:
    processes: list[Process] = []

    def begin(environment: Mapping[str, str] | None = None) -> Process:
        processes.append(Process(environment))
        return processes[-1]

    yield begin
    for process in processes:
        process.popen.kill()
        process.popen.communicate()


def test_process_sends_its_provider_and_then_readings_until_stdin_closes(start_sampler: Callable[..., Process]) -> None:
    process = start_sampler()
    process.tell(provider="simulated", simulated_gpus=3)
    selected, first, second = process.hear(), process.hear(), process.hear()
    assert isinstance(selected, wire.Selected)
    assert isinstance(first, Reading)
    assert isinstance(second, Reading)
    assert len(first.gpus) == 3
    assert first.sampled_at < second.sampled_at
    assert process.end() == (0, "")


def test_new_interval_takes_effect_at_once(start_sampler: Callable[..., Process]) -> None:
    process = start_sampler()
    process.tell(provider="simulated", interval_seconds=60.0)
    process.hear()
    process.hear()
    process.tell(provider="simulated", interval_seconds=0.1)
    assert isinstance(process.hear(), Reading)


def test_process_ignores_ctrl_c(start_sampler: Callable[..., Process]) -> None:
    process = start_sampler()
    process.tell(provider="simulated")
    process.hear()
    process.popen.send_signal(signal.SIGINT)
    assert isinstance(process.hear(), Reading)


def test_process_sends_the_reasons_and_ends_without_a_provider(start_sampler: Callable[..., Process]) -> None:
    process = start_sampler()
    process.tell(provider="replay", replay_file="/nonexistent/recording")
    selected = process.hear()
    assert isinstance(selected, wire.Selected)
    assert selected.provider is None
    assert "/nonexistent/recording" in (selected.reports[0].reason or "")
    assert process.end()[0] == EXIT_NO_PROVIDER


@pytest.mark.parametrize("line", [None, b"not json"])
def test_process_without_options_ends_with_one_line_and_no_traceback(
    start_sampler: Callable[..., Process], line: bytes | None
) -> None:
    process = start_sampler()
    if line is not None:
        process.order(line)
    status, said = process.end()
    assert status == EXIT_NO_ORDERS
    assert "no options on stdin" in said
    assert "Traceback" not in said


def test_process_ends_when_its_frames_have_no_reader(start_sampler: Callable[..., Process]) -> None:
    process = start_sampler()
    process.tell(provider="simulated")
    process.hear()
    assert process.popen.stdout is not None
    process.popen.stdout.close()
    assert process.popen.wait(20) == 0


def test_process_ends_when_stdin_closes_while_the_driver_hangs(
    fake_driver: FakeDriver, start_sampler: Callable[..., Process]
) -> None:
    fake_driver.set({"hang.nvmlDeviceGetUtilizationRates": 1}, gpus=1)
    process = start_sampler(fake_driver.env)
    process.tell(provider="pynvml")
    assert isinstance(process.hear(), wire.Selected)
    assert process.end()[0] == 0


def test_log_level_comes_with_the_options() -> None:
    """GPU_MONITOR_LOG_LEVEL in .env never reached the sampler, which read its environment."""
    told = {}
    for level in ("DEBUG", "ERROR"):
        orders = msgspec.json.encode(Options(provider="nvtop", log_level=level)) + b"\n"
        ended = subprocess.run(
            COMMAND,
            input=orders,
            capture_output=True,
            timeout=30,
            check=False,
            env={**environment(), "PATH": "/nonexistent"},
        )
        told[level] = ended.stderr
    assert b"nvtop skipped" in told["DEBUG"]
    assert told["ERROR"] == b""
