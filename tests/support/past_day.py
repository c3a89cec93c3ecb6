"""A stored day before now, of simulated GPUs that change hands: for screenshots of charts, ribbons and usage."""

from __future__ import annotations

import time
from collections.abc import Iterator

import msgspec

from monitor.history.recorder import HistoryRecorder
from monitor.telemetry.gpu_use import IDLE_BY_DEFAULT, use_of
from monitor.telemetry.options import Options
from monitor.telemetry.providers.simulated import Simulated
from monitor.telemetry.schema import Gpu, Snapshot, System
from monitor.usage.ledger import UsageLedger

STEP_SECONDS = 20
SHIFT_SECONDS = 2.5 * 3600
PEOPLE = ("mira", "lin", "oskar", "jo", "ana")
PAUSE = (9 * 3600, 10 * 3600)
"""Seconds after the beginning in which nothing ran."""
IDLE = {"utilization_percent": 0.0, "memory_used_percent": 0.7, "power_watts": 70.0, "temperature_celsius": 31.0}


def fill(hours: float = 26) -> None:
    """Store it in the databases of the current settings. No server may use them yet."""
    scene = _Scene(time.time() - hours * 3600)
    recorder = HistoryRecorder(clock=lambda: scene.now, monotonic=lambda: scene.elapsed)
    ledger = UsageLedger(clock=lambda: scene.now, monotonic=lambda: scene.elapsed)
    for count, snapshot in enumerate(scene.snapshots(), 1):
        recorder.take(snapshot)
        ledger.take(snapshot)
        if count % 3 == 0:
            recorder.work()
            ledger.work()
    recorder.close()
    ledger.write_now()


class _Scene:
    def __init__(self, start: float) -> None:
        self.start = self.now = start
        self._simulated = Simulated(Options(simulated_gpus=8))

    @property
    def elapsed(self) -> float:
        return self.now - self.start

    def snapshots(self) -> Iterator[Snapshot]:
        self._simulated.open()
        seq = 0
        while self.now < time.time() - STEP_SECONDS:
            self.now += STEP_SECONDS
            if PAUSE[0] < self.elapsed < PAUSE[1]:
                continue
            seq += 1
            yield Snapshot(
                host="dgx-07", boot_id="past", seq=seq, time=self.now, sampled_at=self.now, provider="simulated", is_simulated=True,
                poll_interval_seconds=STEP_SECONDS, gpus=tuple(map(self._with_holder, self._simulated.read(self.now).gpus)),
                system=System(cpu_percent=40.0, load_1m=3.0, booted_at=self.start - 86_400),
            )  # fmt: skip

    def _with_holder(self, gpu: Gpu) -> Gpu:
        """Each shift another person has the GPU, and every fifth nobody."""
        shift = int((self.elapsed + 5000 * gpu.index) // SHIFT_SECONDS)
        if shift % 5 == 4:
            gpu = msgspec.structs.replace(gpu, processes=(), memory_used_bytes=600 << 20, **IDLE)
        elif gpu.processes:
            user = PEOPLE[(gpu.index // 2 + shift) % len(PEOPLE)]
            held = [msgspec.structs.replace(each, user=user, started_at=float(shift)) for each in gpu.processes]
            gpu = msgspec.structs.replace(gpu, processes=tuple(held))
        return msgspec.structs.replace(gpu, use=use_of(gpu, IDLE_BY_DEFAULT))
