"""Metrics of the host, read with the real psutil from this machine or from a fake /proc."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.telemetry.host.system import NEEDS_TWO_READINGS, SystemMetrics
from monitor.telemetry.schema import System
from tests.support.linux_host import BOOTED_AT, FakeHost

NOW = BOOTED_AT + 86_400.0
MEMORY = "MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 250 kB\nBuffers: 1 kB\nCached: 2 kB\nActive: 1 kB\n"
MORE = "Inactive: 1 kB\nShmem: 1 kB\nSlab: 1 kB\nSReclaimable: 1 kB\nSwapTotal: 64 kB\nSwapFree: 16 kB\n"
Metrics = Callable[[], SystemMetrics]


def cpu(*cores: tuple[int, int]) -> str:
    """/proc/stat with the ticks that each core was busy and idle."""
    rows = [f"cpu{number} {busy} 0 0 {idle} 0 0 0 0 0 0" for number, (busy, idle) in enumerate(cores)]
    return "\n".join(["cpu  1 0 0 1 0 0 0 0 0 0", *rows, f"btime {BOOTED_AT}", ""])


@pytest.fixture
def machine(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    """Two cores, little memory, two processes; psutil reads these instead of this machine."""
    host.write("proc/stat", cpu((100, 100), (100, 100)))
    host.write("proc/meminfo", MEMORY + MORE)
    host.write("proc/vmstat", "pswpin 0\npswpout 0\n")
    host.write("etc/os-release", 'ID=debian\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n')
    host.process(1)
    host.process(7)
    monkeypatch.setattr(psutil, "PROCFS_PATH", str(host.root / "proc"))
    return host


@pytest.fixture
def metrics(machine: FakeHost) -> Metrics:
    """Metrics of a machine outside any container; the clock advances 10 seconds with every reading."""
    clock = iter(range(0, 10_000, 10))
    return lambda: SystemMetrics(machine.root, {}, monotonic=lambda: float(next(clock)))


def check(system: System) -> System:
    """Exactly the null values have a reason; percentages are within 0–100."""
    nulls = {name for name in System.__struct_fields__ if getattr(system, name) is None}
    assert nulls == set(system.unavailable)
    assert all(system.unavailable.values())
    return msgspec.json.decode(msgspec.json.encode(system), type=System)


def test_readings_of_this_machine_are_valid() -> None:
    metrics = SystemMetrics()
    check(metrics.read(NOW))
    system = check(metrics.read(NOW))
    assert system.memory_total_bytes == psutil.virtual_memory().total
    assert system.swap_total_bytes == psutil.swap_memory().total
    assert (system.process_count or 0) > 0
    assert system.load_1m is not None


def test_memory_swap_uptime_and_name_come_from_the_host(metrics: Metrics) -> None:
    system = check(metrics().read(NOW))
    assert (system.memory_total_bytes, system.memory_used_bytes) == (1000 * 1024, 750 * 1024)
    assert (system.memory_available_bytes, system.memory_used_percent) == (250 * 1024, 75)
    assert (system.swap_total_bytes, system.swap_used_bytes) == (64 * 1024, 48 * 1024)
    assert (system.booted_at, system.uptime_seconds) == (BOOTED_AT, 86_400)
    assert (system.process_count, system.os_name) == (2, "Debian GNU/Linux 12 (bookworm)")
    assert system.unavailable["container"] == "not in a container"


def test_used_memory_is_not_negative_in_a_container_that_sees_more_of_it_than_its_total(
    machine: FakeHost, metrics: Metrics
) -> None:
    machine.write("proc/meminfo", "MemTotal: 100 kB\nMemAvailable: 900 kB\nSwapTotal: 0 kB\nSwapFree: 7 kB\n")
    system = check(metrics().read(NOW))
    assert (system.memory_used_bytes, system.memory_available_bytes, system.swap_used_bytes) == (0, 100 * 1024, 0)


def test_cpu_is_known_per_core_and_in_total_from_the_second_reading_on(machine: FakeHost, metrics: Metrics) -> None:
    reader = metrics()
    first = check(reader.read(NOW))
    assert first.unavailable["cpu_percent"] == first.unavailable["cpu_core_percents"] == NEEDS_TWO_READINGS
    machine.write("proc/stat", cpu((200, 100), (150, 150)))
    second = check(reader.read(NOW + 10))
    assert (second.cpu_percent, second.cpu_core_percents) == (75, (100, 50))


def test_cpu_restarts_when_the_number_of_cores_changes(machine: FakeHost, metrics: Metrics) -> None:
    reader = metrics()
    reader.read(NOW)
    machine.write("proc/stat", cpu((200, 100)))
    assert check(reader.read(NOW + 10)).cpu_percent is None
    machine.write("proc/stat", cpu((200, 200)))
    assert check(reader.read(NOW + 20)).cpu_percent == 0


ticks = st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), min_size=2, max_size=2)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(readings=st.lists(ticks, min_size=2, max_size=4))
def test_percentages_stay_within_0_and_100_for_any_counters(
    machine: FakeHost, readings: list[list[tuple[int, int]]]
) -> None:
    reader = SystemMetrics(machine.root, {})
    for cores in readings:
        machine.write("proc/stat", cpu(*cores))
        system = check(reader.read(NOW))
    assert system.cpu_percent is not None


@pytest.mark.parametrize(
    ("path", "text", "lost"),
    [
        ("proc/stat", None, {"cpu_percent", "cpu_core_percents", "booted_at", "uptime_seconds"}),
        ("proc/stat", cpu((1, 1), (1, 1)).replace("btime", "xtime"), {"booted_at", "uptime_seconds"}),
        (
            "proc/meminfo",
            "MemFree: 100 kB\nBuffers: 1 kB\nCached: 2 kB\nSwapTotal: 64 kB\nSwapFree: 16 kB\n",
            {"memory_total_bytes", "memory_used_bytes", "memory_available_bytes", "memory_used_percent"},
        ),
        ("etc/os-release", None, {"os_name"}),
        ("etc/os-release", "ID=other\n", {"os_name"}),
    ],
    ids=["no stat", "no boot time", "no total memory", "no os-release", "no name"],
)
def test_unreadable_source_leaves_only_its_own_fields_unknown(
    machine: FakeHost, metrics: Metrics, path: str, text: str | None, lost: set[str]
) -> None:
    """psutil's KeyError and RuntimeError ended the telemetry thread."""
    before = metrics()
    before.read(NOW)
    known = {name for name in System.__struct_fields__ if getattr(before.read(NOW), name) is not None}
    if text is None:
        (machine.root / path).unlink()
    else:
        machine.write(path, text)
    reader = metrics()
    reader.read(NOW)
    system = check(reader.read(NOW))
    assert known - {name for name in System.__struct_fields__ if getattr(system, name) is not None} == lost


def test_a_source_that_returns_is_read_again(machine: FakeHost, metrics: Metrics) -> None:
    reader = metrics()
    memory = (machine.root / "proc/meminfo").rename(machine.root / "aside")
    system = check(reader.read(NOW))
    assert "meminfo" in system.unavailable["memory_total_bytes"]
    memory.rename(machine.root / "proc/meminfo")
    assert check(reader.read(NOW)).memory_used_percent == 75


def test_slow_values_are_read_every_5_seconds_and_uptime_every_time(machine: FakeHost) -> None:
    clock = iter([0.0, 1.0, 5.0])
    reader = SystemMetrics(machine.root, {}, monotonic=lambda: next(clock))
    assert reader.read(NOW).process_count == 2
    machine.process(8)
    second = reader.read(NOW + 1)
    assert (second.process_count, second.uptime_seconds) == (2, 86_401)
    assert reader.read(NOW + 5).process_count == 3


def test_uptime_is_not_negative_with_a_clock_before_the_boot(metrics: Metrics) -> None:
    assert metrics().read(BOOTED_AT - 5.0).uptime_seconds == 0


def test_container_limits_are_reported_beside_the_hosts_metrics(machine: FakeHost) -> None:
    machine.write(".dockerenv", "")
    machine.write("sys/fs/cgroup/cgroup.controllers", "")
    machine.write("sys/fs/cgroup/cpu.max", "150000 100000\n")
    system = check(SystemMetrics(machine.root, {}).read(NOW))
    assert system.container is not None
    assert system.container.cpu_limit_cores == 1.5
    assert system.memory_total_bytes == 1000 * 1024
