"""Another host, whose agent sends to the recorder of a Machine's server."""

from __future__ import annotations

from typing import Any

import msgspec

from monitor.telemetry.schema import Snapshot, System
from tests.history.machines import Machine
from tests.support.snapshots import gpu, host

DGX = "d" * 32


class RemoteHost:
    """One reading a second, of one GPU whose values depend on the time alone. What does not arrive is sent late."""

    def __init__(self, machine: Machine, *, host_id: str = DGX, name: str = "dgx-05") -> None:
        self.machine = machine
        self.host_id, self.name = host_id, name
        self.missed: list[Snapshot] = []
        self.sent: list[Snapshot] = []

    def snapshot(self, **changes: Any) -> Snapshot:
        """The next one."""
        at = self.machine.now
        made = host(
            gpu(0, uuid="GPU-0", utilization_percent=at % 97, power_watts=at % 301, energy_joules=None),
            seq=int(at),
            time=at,
            sampled_at=at,
            poll_interval_seconds=1.0,
            host=self.name,
            host_id=self.host_id,
            boot_id=self.host_id,
            system=System(cpu_percent=at % 97, booted_at=1.0),
        )
        return msgspec.structs.replace(made, **changes)

    def run(self, seconds: int, *, is_connected: bool = True, late_per_second: int = 0, **changes: Any) -> None:
        """So many seconds of this host, of its server and of the recorder."""
        recorder = self.machine.recorder
        for _each in range(seconds):
            self.machine.pass_time(1)
            recorder.take(self.machine.snapshot())
            snapshot = self.snapshot(**changes)
            if is_connected:
                recorder.take_of_fleet(snapshot, is_late=False)
                self.sent.append(snapshot)
                for _late in range(min(late_per_second, len(self.missed))):
                    recorder.take_of_fleet(self.missed.pop(0), is_late=True)
            else:
                self.missed.append(snapshot)
            recorder.work()

    def repeat(self, count: int) -> None:
        """The connection broke before the hub said that it had the last ones: they are sent again."""
        self.missed = [*self.sent[-count:], *self.missed]
