"""The sampler: its grid of time, what a tick answers, and its process between orders on stdin and frames on stdout."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.telemetry.options import Options
from monitor.telemetry.providers.simulated import Simulated
from monitor.telemetry.sampler import wire
from monitor.telemetry.sampler.gpu_sleep import IDLE_SECONDS, Sleepers, find_gpus
from monitor.telemetry.sampler.loop import EXIT_NO_ORDERS, EXIT_NO_PROVIDER, Sampler, next_due, start
from monitor.telemetry.sampler.process import COMMAND
from monitor.telemetry.schema import Gpu, GpuProcess, Reading
from monitor.telemetry.subprocesses import environment
from tests.fakes.fake_driver import FakeDriver
from tests.support.linux_host import FakeHost

A, B = "0000:01:00.0", "0000:02:00.0"
NOW = 1_800_000_000.0


# ── The grid ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("due", "now", "following"),
    [(10.0, 10.0, 11.0), (10.0, 10.3, 11.0), (10.0, 11.0, 12.0), (10.0, 13.5, 14.0), (10.0, 9.9, 11.0)],
)
def test_the_next_tick_lies_on_the_grid_and_missed_ones_are_skipped(due: float, now: float, following: float) -> None:
    assert next_due(due, 1.0, now) == following


@given(
    due=st.floats(0, 1e6), interval=st.floats(0.1, 60), late=st.floats(0, 1e4), ticks=st.integers(1, 50)
)  # fmt: skip
def test_the_grid_neither_drifts_nor_queues(due: float, interval: float, late: float, ticks: int) -> None:
    now = due + late
    following = next_due(due, interval, now)
    steps = (following - due) / interval
    assert steps == pytest.approx(round(steps), abs=1e-4)
    assert now - 1e-6 <= following <= now + interval + 1e-6
    on_time = due
    for _ in range(ticks):
        on_time = next_due(on_time, interval, on_time + interval / 3)
    assert on_time == pytest.approx(due + ticks * interval)


# ── A tick ────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Scripted:
    """A provider that answers the GPUs it is given."""

    name = "pynvml"
    is_simulated = False
    streams_at_interval = False

    def __init__(self, *gpus: Gpu) -> None:
        self.gpus = gpus
        self.asked = 0

    def open(self) -> None:
        """There is nothing to open."""

    def read(self, now: float) -> Reading:
        self.asked += 1
        return Reading(sampled_at=now, gpus=self.gpus)

    def close(self) -> None:
        """There is nothing to close."""


def gpu(pci: str, index: int = 0, *processes: GpuProcess) -> Gpu:
    return Gpu(index=index, uuid=f"GPU-{pci}", name="H100", pci_bus_id=pci, processes=processes)


def sampler(host: FakeHost, provider: Scripted | None, *, let_go: tuple[str, ...] = ()) -> Sampler:
    options = Options(root=str(host.root))
    return Sampler(provider, options, Sleepers(find_gpus(host.root), "auto", let_go, NOW))


def test_a_tick_is_the_providers_reading_with_what_the_host_knows(host: FakeHost) -> None:
    host.process(77, "train")
    frame = sampler(host, Scripted(gpu(A, 0, GpuProcess(pid=77)))).tick(NOW, is_watched=True)
    assert isinstance(frame, Reading)
    assert [process.name for process in frame.gpus[0].processes or ()] == ["train"]


def test_a_tick_in_a_container_says_what_to_start_it_with(host: FakeHost) -> None:
    host.pid_namespace("pid:[4026539999]")
    frame = sampler(host, Scripted(gpu(A, 0, GpuProcess(pid=77)))).tick(NOW, is_watched=True)
    assert isinstance(frame, Reading)
    assert [notice.code for notice in frame.notices] == ["pid_namespace"]


def test_sleepers_stand_in_their_place_beside_those_that_are_read(host: FakeHost) -> None:
    host.gpu(A, status="suspended")
    host.gpu(B)
    frame = sampler(host, Scripted(gpu(B, 1))).tick(NOW, is_watched=True)
    assert isinstance(frame, Reading)
    assert [(each.pci_bus_id, each.state) for each in frame.gpus] == [(A, "asleep"), (B, "ok")]


def test_idle_gpus_are_let_go_with_the_end_of_the_process(host: FakeHost) -> None:
    host.gpu(A)
    provider = Scripted(gpu(A))
    ticking = sampler(host, provider)
    assert isinstance(ticking.tick(NOW, is_watched=False), Reading)
    assert ticking.tick(NOW + IDLE_SECONDS, is_watched=False) == wire.StartOver(unattached=(A,))


def test_watched_gpus_are_not_let_go(host: FakeHost) -> None:
    host.gpu(A)
    ticking = sampler(host, Scripted(gpu(A)))
    frames = [ticking.tick(NOW + second, is_watched=True) for second in range(0, 600, 10)]
    assert all(isinstance(frame, Reading) for frame in frames)


def test_let_go_gpus_join_those_that_sleep_already(host: FakeHost) -> None:
    host.gpu(A, status="suspended")
    host.gpu(B)
    ticking = sampler(host, Scripted(gpu(B, 1)))
    ticking.tick(NOW, is_watched=False)
    assert ticking.tick(NOW + IDLE_SECONDS, is_watched=False) == wire.StartOver(unattached=(A, B))


def test_with_every_gpu_asleep_only_sysfs_is_asked_until_one_wakes(host: FakeHost) -> None:
    host.gpu(A, status="suspended")
    host.gpu(B, status="suspended")
    ticking = sampler(host, None)
    frame = ticking.tick(NOW, is_watched=True)
    assert isinstance(frame, Reading)
    assert [each.state for each in frame.gpus] == ["asleep", "asleep"]
    host.power(B, "active")
    assert ticking.tick(NOW + 1, is_watched=True) == wire.StartOver(unattached=(A,))


def test_a_reading_that_nobody_takes_from_the_host_keeps_the_setting_for_commands() -> None:
    options = Options(provider="simulated", show_commands="none")
    provider = Simulated(options)
    provider.open()
    ticking = Sampler(provider, options, Sleepers((), "auto", (), NOW))
    frame = ticking.tick(NOW, is_watched=True)
    assert isinstance(frame, Reading)
    processes = [process for each in frame.gpus for process in each.processes or ()]
    assert processes
    assert {(process.name, process.command) for process in processes} == {(None, None)}


# ── The start ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (Options(), "pynvml"),
        (Options(provider="nvtop"), "nvtop"),
        (Options(provider_before="nvidia_smi"), "nvidia_smi"),
    ],
)
def test_with_every_gpu_asleep_no_provider_is_opened_and_the_name_stays(
    host: FakeHost, options: Options, name: str
) -> None:
    """Another name would make the supervisor forget the last facts of the GPUs that are shown asleep."""
    host.gpu(A, status="suspended")
    frames: list[wire.Frame] = []
    provider, ticking = start(msgspec.structs.replace(options, root=str(host.root)), frames.append)
    assert provider is None
    assert ticking is not None
    (selected,) = frames
    assert isinstance(selected, wire.Selected)
    assert (selected.provider, selected.reports[0].reason) == (
        name,
        "Every GPU is asleep, so the driver is not queried.",
    )


def test_simulated_gpus_are_opened_whatever_sleeps_here(host: FakeHost) -> None:
    host.gpu(A, status="suspended")
    frames: list[wire.Frame] = []
    provider, _ = start(Options(provider="simulated", root=str(host.root)), frames.append)
    assert provider is not None
    assert isinstance(frames[0], wire.Selected)
    assert frames[0].is_simulated


# ── The process ───────────────────────────────────────────────────────────────────────────────────────────────────────


class Process:
    """A sampler process, told options and heard frame by frame."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "monitor.telemetry.sampler.loop"],
            env={**os.environ, **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
        )
        self._reader, self._frames = wire.FrameReader(), list[wire.Frame]()

    def order(self, line: bytes) -> None:
        assert self.popen.stdin is not None
        self.popen.stdin.write(line + b"\n")

    def tell(self, **options: object) -> None:
        self.order(msgspec.json.encode(msgspec.structs.replace(Options(interval_seconds=0.1), **options)))

    def hear(self) -> wire.Frame:
        assert self.popen.stdout is not None
        while not self._frames:
            data = os.read(self.popen.stdout.fileno(), 1 << 16)
            assert data, f"it ended: {self.end()}"
            self._frames += self._reader.feed(data)
        return self._frames.pop(0)

    def end(self) -> tuple[int, str]:
        """Its exit status and what it wrote to stderr, once its orders have ended."""
        _, said = self.popen.communicate(timeout=20)
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


def test_it_tells_its_provider_and_then_readings_until_its_orders_end(start_sampler: Callable[..., Process]) -> None:
    process = start_sampler()
    process.tell(provider="simulated", simulated_gpus=3)
    selected, first, second = process.hear(), process.hear(), process.hear()
    assert isinstance(selected, wire.Selected)
    assert isinstance(first, Reading)
    assert isinstance(second, Reading)
    assert len(first.gpus) == 3
    assert first.sampled_at < second.sampled_at
    assert process.end() == (0, "")


def test_another_interval_holds_at_once(start_sampler: Callable[..., Process]) -> None:
    process = start_sampler()
    process.tell(provider="simulated", interval_seconds=60.0)
    process.hear()
    process.hear()
    process.tell(provider="simulated", interval_seconds=0.1)
    assert isinstance(process.hear(), Reading)


def test_ctrl_c_is_the_servers_to_hear(start_sampler: Callable[..., Process]) -> None:
    process = start_sampler()
    process.tell(provider="simulated")
    process.hear()
    process.popen.send_signal(signal.SIGINT)
    assert isinstance(process.hear(), Reading)


def test_without_a_provider_it_tells_the_reasons_and_ends(start_sampler: Callable[..., Process]) -> None:
    process = start_sampler()
    process.tell(provider="replay", replay_file="/nonexistent/recording")
    selected = process.hear()
    assert isinstance(selected, wire.Selected)
    assert selected.provider is None
    assert "/nonexistent/recording" in (selected.reports[0].reason or "")
    assert process.end()[0] == EXIT_NO_PROVIDER


@pytest.mark.parametrize("line", [None, b"not json"])
def test_without_orders_it_ends_with_one_line_and_no_traceback(
    start_sampler: Callable[..., Process], line: bytes | None
) -> None:
    process = start_sampler()
    if line is not None:
        process.order(line)
    status, said = process.end()
    assert status == EXIT_NO_ORDERS
    assert "no options on stdin" in said
    assert "Traceback" not in said


def test_it_ends_when_nobody_takes_its_frames(start_sampler: Callable[..., Process]) -> None:
    process = start_sampler()
    process.tell(provider="simulated")
    process.hear()
    assert process.popen.stdout is not None
    process.popen.stdout.close()
    assert process.popen.wait(20) == 0


@pytest.mark.slow
def test_it_ends_with_its_orders_also_while_the_driver_hangs(
    fake_driver: FakeDriver, start_sampler: Callable[..., Process]
) -> None:
    fake_driver.set({"hang.nvmlDeviceGetUtilizationRates": 1}, gpus=1)
    process = start_sampler(fake_driver.env)
    process.tell(provider="pynvml")
    assert isinstance(process.hear(), wire.Selected)
    assert process.end()[0] == 0


def test_the_level_of_the_log_comes_with_the_orders() -> None:
    """GPU_MONITOR_LOG_LEVEL set in .env never reached the sampler, which looked into its environment."""
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
