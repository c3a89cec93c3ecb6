"""The sampler: its time grid, the result of a tick, errors in gpumon, and what is opened at the start."""

from __future__ import annotations

import re
import subprocess
import sys

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.telemetry.options import Options
from monitor.telemetry.providers.simulated import Simulated
from monitor.telemetry.sampler import wire
from monitor.telemetry.sampler.gpu_sleep import IDLE_SECONDS, Sleepers, find_gpus
from monitor.telemetry.sampler.loop import (
    EXIT_OWN_ERROR,
    MOST_ERRORS_IN_A_ROW,
    Sampler,
    Ticks,
    next_due,
    start,
)
from monitor.telemetry.schema import Gpu, GpuProcess, Reading
from monitor.telemetry.subprocesses import environment
from tests.support.linux_host import FakeHost

A, B = "0000:01:00.0", "0000:02:00.0"
NOW = 1_800_000_000.0


# ── The grid ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("due", "now", "following"),
    [(10.0, 10.0, 11.0), (10.0, 10.3, 11.0), (10.0, 11.0, 12.0), (10.0, 13.5, 14.0), (10.0, 9.9, 11.0)],
)
def test_next_tick_is_on_the_grid_and_missed_ones_are_skipped(due: float, now: float, following: float) -> None:
    assert next_due(due, 1.0, now) == following


@given(
    due=st.floats(0, 1e6), interval=st.floats(0.1, 60), late=st.floats(0, 1e4), ticks=st.integers(1, 50)
)  # fmt: skip
def test_grid_neither_drifts_nor_queues_ticks(due: float, interval: float, late: float, ticks: int) -> None:
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
    """A provider that returns the GPUs it was created with."""

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


def test_tick_adds_values_of_the_host_to_the_providers_reading(host: FakeHost) -> None:
    host.process(77, "train")
    message = sampler(host, Scripted(gpu(A, 0, GpuProcess(pid=77)))).tick(NOW, is_watched=True)
    assert isinstance(message, Reading)
    assert [process.name for process in message.gpus[0].processes or ()] == ["train"]


def test_tick_in_a_container_has_a_notice_about_the_pid_namespace(host: FakeHost) -> None:
    host.pid_namespace("pid:[4026539999]")
    message = sampler(host, Scripted(gpu(A, 0, GpuProcess(pid=77)))).tick(NOW, is_watched=True)
    assert isinstance(message, Reading)
    assert [notice.code for notice in message.notices] == ["pid_namespace"]


def test_sleeping_gpus_keep_their_place_among_the_others(host: FakeHost) -> None:
    host.gpu(A, status="suspended")
    host.gpu(B)
    message = sampler(host, Scripted(gpu(B, 1))).tick(NOW, is_watched=True)
    assert isinstance(message, Reading)
    assert [(each.pci_bus_id, each.state) for each in message.gpus] == [(A, "asleep"), (B, "ok")]


def test_process_ends_to_release_idle_gpus(host: FakeHost) -> None:
    host.gpu(A)
    provider = Scripted(gpu(A))
    ticking = sampler(host, provider)
    assert isinstance(ticking.tick(NOW, is_watched=False), Reading)
    assert ticking.tick(NOW + IDLE_SECONDS, is_watched=False) == wire.StartOver(unattached=(A,))


def test_process_ends_once_so_that_an_added_gpu_is_opened(host: FakeHost) -> None:
    """A driver's library can list only the GPUs of its start."""
    host.gpu(A, control="on")
    ticking = sampler(host, Scripted(gpu(A)))
    ticking.tick(NOW, is_watched=True)
    host.gpu(B, control="on")
    messages = [ticking.tick(NOW + second, is_watched=True) for second in range(1, 40)]
    assert [message for message in messages if not isinstance(message, Reading)][:1] == [wire.StartOver(unattached=())]
    assert all(isinstance(message, Reading) for message in messages[:20])
    next_one = sampler(host, Scripted(gpu(A)))
    later = [next_one.tick(NOW + second, is_watched=True) for second in range(100)]
    assert all(isinstance(message, Reading) for message in later)


def test_added_gpu_that_the_provider_finds_itself_needs_no_other_process(host: FakeHost) -> None:
    host.gpu(A, control="on")
    provider = Scripted(gpu(A))
    ticking = sampler(host, provider)
    ticking.tick(NOW, is_watched=True)
    host.gpu(B, control="on")
    messages = [ticking.tick(NOW + second, is_watched=True) for second in range(16)]
    provider.gpus = (gpu(A), gpu(B, 1))
    messages += [ticking.tick(NOW + second, is_watched=True) for second in range(17, 100)]
    assert all(isinstance(message, Reading) for message in messages)


def test_watched_gpus_are_not_released(host: FakeHost) -> None:
    host.gpu(A)
    ticking = sampler(host, Scripted(gpu(A)))
    messages = [ticking.tick(NOW + second, is_watched=True) for second in range(0, 600, 10)]
    assert all(isinstance(message, Reading) for message in messages)


def test_released_gpus_join_the_sleeping_ones(host: FakeHost) -> None:
    host.gpu(A, status="suspended")
    host.gpu(B)
    ticking = sampler(host, Scripted(gpu(B, 1)))
    ticking.tick(NOW, is_watched=False)
    assert ticking.tick(NOW + IDLE_SECONDS, is_watched=False) == wire.StartOver(unattached=(A, B))


def test_only_sysfs_is_read_while_every_gpu_is_asleep(host: FakeHost) -> None:
    host.gpu(A, status="suspended")
    host.gpu(B, status="suspended")
    ticking = sampler(host, None)
    message = ticking.tick(NOW, is_watched=True)
    assert isinstance(message, Reading)
    assert [each.state for each in message.gpus] == ["asleep", "asleep"]
    host.power(B, "active")
    assert ticking.tick(NOW + 1, is_watched=True) == wire.StartOver(unattached=(A,))


def test_setting_for_commands_applies_to_simulated_readings_too() -> None:
    options = Options(provider="simulated", show_commands="none")
    provider = Simulated(options)
    provider.open()
    ticking = Sampler(provider, options, Sleepers((), "auto", (), NOW))
    message = ticking.tick(NOW, is_watched=True)
    assert isinstance(message, Reading)
    processes = [process for each in message.gpus for process in each.processes or ()]
    assert processes
    assert {(process.name, process.command) for process in processes} == {(None, None)}


# ── Errors in gpumon ──────────────────────────────────────────────────────────────────────────────────────────────────


class Failing(Scripted):
    """A provider with a bug, until it is `mended`."""

    mended = False

    def read(self, now: float) -> Reading:
        if not self.mended:
            raise OverflowError("int too big to convert")
        return super().read(now)


def message_of(data: bytes) -> wire.Message:
    (message,) = wire.MessageReader().feed(data)
    return message


def test_error_in_gpumon_costs_one_reading_and_names_its_place(
    host: FakeHost, caplog: pytest.LogCaptureFixture
) -> None:
    provider = Failing(gpu(A))
    ticks = Ticks(sampler(host, provider))
    skipped = message_of(ticks.message(NOW, is_watched=True))
    assert isinstance(skipped, wire.Skipped)
    assert re.fullmatch(
        r"An error in gpumon itself, not in the driver: OverflowError at monitor/telemetry/sampler/loop\.py:\d+ "
        r"\(int too big to convert\)\. Please report it\.",
        skipped.reason,
    )
    ticks.message(NOW + 1, is_watched=True)
    assert [record.exc_info is not None for record in caplog.records] == [True], "a repeated error is logged once"
    provider.mended = True
    assert isinstance(message_of(ticks.message(NOW + 2, is_watched=True)), Reading)


def test_error_that_stays_ends_the_process_so_that_a_new_one_tries(host: FakeHost) -> None:
    ticks = Ticks(sampler(host, Failing(gpu(A))))
    for second in range(MOST_ERRORS_IN_A_ROW - 1):
        ticks.message(NOW + second, is_watched=True)
    with pytest.raises(OverflowError):
        ticks.message(NOW + MOST_ERRORS_IN_A_ROW, is_watched=True)


@pytest.mark.slow
def test_process_that_ends_by_an_error_in_gpumon_says_so_and_does_not_abort() -> None:
    """Python aborted ("Fatal Python error: _enter_buffered_busy"), which was reported as a crash of the driver."""
    program = """
import os
from monitor.telemetry.sampler import loop
def run(orders, out):
    raise ZeroDivisionError("a bug")
loop.run = run
os._exit(loop.main())
"""
    ended = subprocess.run(
        [sys.executable, "-c", program],
        input=msgspec.json.encode(Options()) + b"\n",
        capture_output=True,
        env=environment(),
        check=False,
    )
    assert ended.returncode == EXIT_OWN_ERROR
    failed = message_of(ended.stdout)
    assert isinstance(failed, wire.Failed)
    assert failed.reason.startswith("An error in gpumon itself, not in the driver: ZeroDivisionError at ")
    assert b"Fatal Python error" not in ended.stderr


# ── The start ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (Options(), "pynvml"),
        (Options(provider="nvtop"), "nvtop"),
        (Options(provider_before="nvidia_smi"), "nvidia_smi"),
    ],
)
def test_provider_stays_closed_and_keeps_its_name_while_every_gpu_is_asleep(
    host: FakeHost, options: Options, name: str
) -> None:
    """With another name, the supervisor would drop the last values of the sleeping GPUs."""
    host.gpu(A, status="suspended")
    messages: list[wire.Message] = []
    provider, ticking = start(msgspec.structs.replace(options, root=str(host.root)), messages.append)
    assert provider is None
    assert ticking is not None
    (selected,) = messages
    assert isinstance(selected, wire.Selected)
    assert (selected.provider, selected.reports[0].reason) == (
        name,
        "Every GPU is asleep, so the driver is not queried.",
    )


def test_simulated_gpus_are_opened_despite_sleeping_gpus(host: FakeHost) -> None:
    host.gpu(A, status="suspended")
    messages: list[wire.Message] = []
    provider, _ = start(Options(provider="simulated", root=str(host.root)), messages.append)
    assert provider is not None
    assert isinstance(messages[0], wire.Selected)
    assert messages[0].is_simulated
