"""A laptop GPU read, asleep and read again, with the real supervisor, sampler and pynvml on a fake driver.

The sampler's clocks run 100 times faster, so that its 30 idle seconds pass at once.
"""

from __future__ import annotations

import queue
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from monitor.telemetry.options import Options
from monitor.telemetry.sampler.gpu_sleep import ASLEEP, RELEASED
from monitor.telemetry.sampler.supervisor import Supervisor
from monitor.telemetry.schema import Snapshot
from tests.fakes.fake_driver import FakeDriver
from tests.support.linux_host import FakeHost

pytestmark = pytest.mark.slow

A, B = "0000:01:00.0", "0000:02:00.0"
HURRIED_SAMPLER = """
import os, sys, time

def hurried(clock):
    began = clock()
    return lambda: began + 100 * (clock() - began)

time.time, time.monotonic = hurried(time.time), hurried(time.monotonic)

from monitor.telemetry.sampler import gpu_sleep, loop as sampler

gpu_sleep.IDLE_SECONDS /= 100  # by the monotonic clock, by which the sampler also waits for the next tick
status = sampler.main()
sys.stderr.flush()
os._exit(status)
"""


class Laptop:
    """The host, its driver, and the snapshots that the supervisor publishes."""

    def __init__(self, host: FakeHost, driver: FakeDriver, folder: Path) -> None:
        self.host, self.driver = host, driver
        self.snapshots: queue.SimpleQueue[Snapshot] = queue.SimpleQueue()
        self.supervisor: Supervisor | None = None
        self._script = folder / "hurried_sampler.py"
        self._script.write_text(HURRIED_SAMPLER)

    def start(self, **options: object) -> Supervisor:
        given = {"interval_seconds": 0.1, "provider": "pynvml", "root": str(self.host.root), **options}
        self.supervisor = Supervisor(
            Options(**given),  # type: ignore[arg-type]
            self.snapshots.put,
            host="laptop",
            command=(sys.executable, str(self._script)),
        )
        self.supervisor.start()
        return self.supervisor

    def until(self, is_it: Callable[[Snapshot], bool]) -> Snapshot:
        for _ in range(300):
            snapshot = self.snapshots.get(timeout=40)
            if is_it(snapshot):
                return snapshot
        raise AssertionError(f"no such snapshot came; the last was {snapshot}")

    def until_state(self, *states: str) -> Snapshot:
        return self.until(lambda snapshot: tuple(gpu.state for gpu in snapshot.gpus) == states)

    def a_few_more(self) -> Snapshot:
        for _ in range(5):
            snapshot = self.snapshots.get(timeout=40)
        return snapshot


@pytest.fixture
def laptop(
    host: FakeHost, fake_driver: FakeDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Laptop]:
    """One GPU, awake and idle, that the kernel may suspend."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[3]))
    for name, value in fake_driver.env.items():
        monkeypatch.setenv(name, value)
    fake_driver.set({"gpu.0.pci": A, "gpu.1.pci": B, "gpu.*.utilization": 0, "gpu.0.uuid": "GPU-a"}, gpus=1)
    host.gpu(A)
    laptop = Laptop(host, fake_driver, tmp_path)
    yield laptop
    if laptop.supervisor is not None:
        laptop.supervisor.stop(5)


def test_idle_gpu_is_released_then_sleeps_unread_and_is_read_again_once_it_wakes(laptop: Laptop) -> None:
    supervisor = laptop.start()
    awake = laptop.until_state("ok").gpus[0]
    let_go = laptop.until_state("asleep")
    assert let_go.gpus[0].unavailable["utilization_percent"] == RELEASED
    laptop.host.power(A, "suspended")
    laptop.driver.reset_calls()
    asleep = laptop.until(lambda snapshot: snapshot.gpus[0].unavailable.get("utilization_percent") == ASLEEP)
    assert (asleep.provider, asleep.stale) == ("pynvml", False)
    gpu = asleep.gpus[0]
    assert (gpu.uuid, gpu.name, gpu.memory_total_bytes) == ("GPU-a", awake.name, awake.memory_total_bytes)
    assert (gpu.utilization_percent, gpu.read_at is not None) == (None, True)
    supervisor.set_watched(True)
    assert laptop.a_few_more().gpus[0].state == "asleep"
    assert laptop.driver.total_calls() == 0
    laptop.host.power(A, "active")
    again = laptop.until_state("ok")
    assert [each.uuid for each in again.gpus] == ["GPU-a"]
    assert laptop.a_few_more().gpus[0].state == "ok"
    assert supervisor.status.problem is None


def test_gpu_with_a_process_is_not_released(laptop: Laptop) -> None:
    laptop.driver.set({"gpu.0.processes": "41207:C:100"})
    supervisor = laptop.start()
    first = laptop.until_state("ok")
    later = laptop.until(lambda snapshot: (snapshot.sampled_at or 0) > (first.sampled_at or 0) + 120)
    assert later.gpus[0].state == "ok"
    assert supervisor.status.restarts == 0


def test_gpu_asleep_at_the_start_is_not_opened_and_gets_its_identity_when_it_wakes(laptop: Laptop) -> None:
    laptop.host.power(A, "suspended")
    laptop.start(is_watched=True)
    assert laptop.until_state("asleep").gpus[0].uuid == f"pci-{A}"
    laptop.a_few_more()
    assert laptop.driver.total_calls() == 0
    laptop.host.power(A, "active")
    assert laptop.until_state("ok").gpus[0].uuid == "GPU-a"
    assert [gpu.state for gpu in laptop.a_few_more().gpus] == ["ok"]


def test_sleeping_gpu_is_not_opened_while_another_is_read(laptop: Laptop) -> None:
    laptop.host.power(A, "suspended")
    laptop.host.gpu(B, control="on")
    laptop.driver.set({"gpu.0.crash.*": 1}, gpus=2)  # opening it crashes the process
    supervisor = laptop.start()
    snapshot = laptop.until_state("asleep", "ok")
    assert [gpu.index for gpu in snapshot.gpus] == [0, 1]
    assert snapshot.gpus[1].utilization_percent == 0
    laptop.a_few_more()
    assert supervisor.status.restarts == 0


def test_sleeping_gpu_is_opened_with_the_setting_never(laptop: Laptop) -> None:
    laptop.host.power(A, "suspended")
    laptop.start(let_gpus_sleep="never")
    assert laptop.until_state("ok").gpus[0].utilization_percent == 0
    assert laptop.driver.calls()["nvmlDeviceGetHandleByIndex_v2"] == 1
