"""GPUs that the kernel may suspend: read only through sysfs while asleep, released when unused."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.telemetry.providers.base import GPU_METRICS
from monitor.telemetry.sampler.gpu_sleep import (
    ASLEEP,
    IDLE_SECONDS,
    RELEASED,
    STAYS_AWAKE_SECONDS,
    IdleWatch,
    Sleepers,
    find_gpus,
)
from monitor.telemetry.schema import Gpu, GpuProcess
from tests.support.linux_host import FakeHost

A, B = "0000:01:00.0", "0000:02:00.0"
NOW = 1_800_000_000.0


@pytest.fixture
def laptop(host: FakeHost) -> FakeHost:
    """A host with one sleeping GPU."""
    host.gpu(A, status="suspended")
    return host


def sleepers(host: FakeHost, policy: str = "auto", *, let_go: tuple[str, ...] = ()) -> Sleepers:
    return Sleepers(find_gpus(host.root), policy, let_go, NOW)


# ── On the bus ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_display_controllers_of_nvidia_are_found_in_bus_order(host: FakeHost) -> None:
    host.gpu(B)
    host.gpu("0000:01:00.0")
    host.gpu("0000:0A:00.0")
    host.write("sys/bus/pci/devices/0000:01:00.1/vendor", "0x10de\n")
    host.write("sys/bus/pci/devices/0000:01:00.1/class", "0x040300\n")  # the audio device of the same card
    host.write("sys/bus/pci/devices/0000:00:02.0/vendor", "0x8086\n")
    host.write("sys/bus/pci/devices/0000:00:02.0/class", "0x030000\n")
    assert [gpu.pci_bus_id for gpu in find_gpus(host.root)] == [A, B, "0000:0a:00.0"]


@pytest.mark.parametrize("driver", ["nouveau", "vfio-pci", None])
def test_gpu_of_another_driver_is_not_left_asleep(host: FakeHost, driver: str | None) -> None:
    """nouveau suspends its GPUs too: the page always showed `asleep` and hid that NVIDIA's driver was missing."""
    host.gpu(A, status="suspended", driver=driver)
    assert find_gpus(host.root) == ()


def test_host_without_pci_has_no_such_gpus(host: FakeHost) -> None:
    assert find_gpus(host.root) == ()
    assert not sleepers(host).are_all


# ── Which are left asleep ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("policy", "control", "is_left_alone"),
    [
        ("auto", "auto", True),
        ("auto", "on", False),
        ("always", "on", True),
        ("always", "auto", True),
        ("never", "auto", False),
    ],
)
def test_setting_and_kernel_power_control_decide_whether_a_gpu_is_left_asleep(
    host: FakeHost, policy: str, control: str, is_left_alone: bool
) -> None:
    host.gpu(A, status="suspended", control=control)
    assert sleepers(host, policy).left_alone == ((A,) if is_left_alone else ())


@pytest.mark.parametrize("status", ["active", "suspending", "resuming", "unsupported", "error", ""])
def test_only_a_suspended_gpu_counts_as_asleep(host: FakeHost, status: str) -> None:
    host.gpu(A, status=status)
    assert sleepers(host).left_alone == ()


def test_all_gpus_are_asleep_only_if_none_is_awake(laptop: FakeHost) -> None:
    assert sleepers(laptop).are_all
    laptop.gpu(B)
    assert not sleepers(laptop).are_all


def test_sleeping_gpu_is_shown_in_its_place_with_a_reason_for_every_reading(laptop: FakeHost) -> None:
    (gpu,) = sleepers(laptop).as_gpus(NOW)
    assert (gpu.state, gpu.since, gpu.index, gpu.pci_bus_id, gpu.name) == ("asleep", NOW, 0, A, "NVIDIA GPU 2684")
    assert {name for name in GPU_METRICS if getattr(gpu, name) is None} == set(gpu.unavailable)
    assert set(gpu.unavailable.values()) == {ASLEEP}


def test_released_gpu_is_not_read_and_has_the_reason(host: FakeHost) -> None:
    host.gpu(A)
    (gpu,) = sleepers(host, let_go=(A,)).as_gpus(NOW)
    assert gpu.unavailable["utilization_percent"] == RELEASED


def test_released_gpu_is_read_again_once_it_may_not_sleep(host: FakeHost) -> None:
    host.gpu(A, control="on")
    assert sleepers(host, let_go=(A,)).left_alone == ()


# ── Waking ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("is_watched", [True, False])
def test_sleeping_gpu_is_not_read_whether_watched_or_not(laptop: FakeHost, is_watched: bool) -> None:
    assert sleepers(laptop).woken(NOW + 100_000, is_watched=is_watched) == ()


def test_gpu_that_wakes_is_read_again(laptop: FakeHost) -> None:
    alone = sleepers(laptop)
    laptop.power(A, "active")
    assert alone.woken(NOW + 1, is_watched=False) == (A,)


def test_released_gpu_has_time_to_fall_asleep_before_it_counts_as_woken(host: FakeHost) -> None:
    host.gpu(A)
    alone = sleepers(host, let_go=(A,))
    assert alone.woken(NOW + 10, is_watched=False) == ()
    host.power(A, "suspended")
    assert alone.woken(NOW + 11, is_watched=False) == ()
    assert alone.as_gpus(NOW + 11)[0].unavailable["utilization_percent"] == ASLEEP
    host.power(A, "active")
    assert alone.woken(NOW + 12, is_watched=False) == (A,)


def test_released_gpu_is_read_again_for_a_viewer(host: FakeHost) -> None:
    host.gpu(A)
    assert sleepers(host, let_go=(A,)).woken(NOW + 1, is_watched=True) == (A,)


def test_released_gpu_that_another_program_keeps_awake_is_read_again_after_a_while(host: FakeHost) -> None:
    host.gpu(A)
    alone = sleepers(host, let_go=(A,))
    assert alone.woken(NOW + STAYS_AWAKE_SECONDS, is_watched=False) == ()
    assert alone.woken(NOW + STAYS_AWAKE_SECONDS + 1, is_watched=False) == (A,)


def test_gpu_unplugged_while_asleep_is_queried_again(laptop: FakeHost) -> None:
    alone = sleepers(laptop)
    (laptop.root / f"sys/bus/pci/devices/{A}/power/runtime_status").unlink()
    assert alone.woken(NOW + 1, is_watched=False) == (A,)


# ── Releasing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def awake(pci: str = A, **values: Any) -> Gpu:
    return Gpu(index=0, uuid=f"GPU-{pci}", name="RTX 4090", pci_bus_id=pci, **{"utilization_percent": 0, **values})


def let_go(watch: IdleWatch, gpus: list[Gpu], *, over: float = IDLE_SECONDS, is_watched: bool = False) -> Any:
    """The GPUs released after this many seconds, at one reading per second."""
    for second in range(int(over)):
        assert watch.to_release(gpus, NOW + second, is_watched=is_watched) == ()
    return watch.to_release(gpus, NOW + over, is_watched=is_watched)


def test_unwatched_gpu_without_processes_is_released_after_30_idle_seconds() -> None:
    assert let_go(IdleWatch([A]), [awake(processes=())]) == (A,)


@pytest.mark.parametrize(
    "gpu",
    [
        awake(processes=(GpuProcess(pid=1),)),
        awake(utilization_percent=3),
        awake(state="lost"),
        awake(B, processes=()),
    ],
    ids=["with a process", "at work", "lost", "not one that may sleep"],
)
def test_other_gpus_are_not_released(gpu: Gpu) -> None:
    assert let_go(IdleWatch([A]), [gpu], over=600) == ()


def test_watched_gpu_is_not_released() -> None:
    assert let_go(IdleWatch([A]), [awake()], over=600, is_watched=True) == ()


def test_idle_gpu_is_not_released_while_another_is_in_use() -> None:
    assert let_go(IdleWatch([A, B]), [awake(A), awake(B, processes=(GpuProcess(pid=1),))], over=600) == ()


def test_busy_gpu_that_may_not_sleep_does_not_prevent_a_release() -> None:
    assert let_go(IdleWatch([A]), [awake(A), awake(B, utilization_percent=100)]) == (A,)


@pytest.mark.parametrize("what", ["work", "a viewer"])
def test_30_idle_seconds_restart_after_work_or_a_viewer(what: str) -> None:
    watch = IdleWatch([A])
    watch.to_release([awake()], NOW, is_watched=False)
    watch.to_release([awake(utilization_percent=9 if what == "work" else 0)], NOW + 29, is_watched=what == "a viewer")
    assert watch.to_release([awake()], NOW + 31, is_watched=False) == ()
    assert watch.to_release([awake()], NOW + 60, is_watched=False) == ()
    assert watch.to_release([awake()], NOW + 61, is_watched=False) == (A,)
