"""`make fleet-demo`: a hub and 20 simulated hosts on this machine, with data of their own. Ends with Ctrl-C."""

from __future__ import annotations

import contextlib
import signal
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import msgspec

from monitor.telemetry.gpu_use import IDLE_BY_DEFAULT, use_of
from monitor.telemetry.options import Options
from monitor.telemetry.providers.selection import make
from monitor.telemetry.schema import Gpu, Reading, Snapshot
from monitor.telemetry.totals import total
from monitor.version import __version__
from tests.support.servers import Server, wait_for
from tests.support.simulated_agents import SimulatedAgent, join, running

GIB = 1 << 30
_SLOTS = {"t": 0, "s": 3, "e": 4, "h": 5, ".": 6, "m": 7, "x": 0}
"""What a GPU does: it trains, serves or encodes, is idle-held, free, in MIG mode, lost; with the simulated GPU that does it."""
_KINDS, _VARIANTS = 8, 21


class Model(NamedTuple):
    name: str
    memory_gib: int


H100, H200 = Model("NVIDIA H100 80GB HBM3", 80), Model("NVIDIA H200 141GB HBM3e", 141)
A100, L40S = Model("NVIDIA A100-SXM4-80GB", 80), Model("NVIDIA L40S", 48)
ADA = Model("NVIDIA RTX 6000 Ada Generation", 48)


class Host(NamedTuple):
    """A host of the demo."""

    name: str
    tags: str
    model: Model
    slots: str
    driver: str = "580.82.07"
    has_ecc: bool = True
    is_down: bool = False
    stale_seconds: float = 0.0
    version: str = __version__
    clock_offset_seconds: float = 0.0


HOSTS = (
    Host("dgx-01", "train rack-1", H100, "tttttsst"),
    Host("dgx-02", "train rack-1", H100, "stttsttt"),
    Host("dgx-03", "train rack-1", H100, "tttttttt", driver="570.124.06"),
    Host("dgx-04", "train rack-1", H100, "ttstshhh"),
    Host("dgx-05", "train rack-2", H100, "tttttttt", is_down=True),
    Host("dgx-06", "train rack-2", H200, "tttttttt"),
    Host("dgx-07", "train rack-2", H200, "tstsstht"),
    Host("dgx-08", "train rack-2", H200, "stttttst", clock_offset_seconds=4.2),
    Host("inf-01", "inference vllm", L40S, "ssssssss"),
    Host("inf-02", "inference vllm", L40S, "ssssssss", version="0.0.9"),
    Host("inf-03", "inference vllm", L40S, "ssss...."),
    Host("inf-04", "inference render", L40S, "eeeeeeee"),
    Host("lab-01", "lab vision", H100, "tsht...."),
    Host("lab-02", "lab vision", H100, "ttttmmst"),
    Host("lab-03", "lab nlp", H100, "thh...ts"),
    Host("lab-04", "lab nlp", A100, "ttexstst"),
    Host("lab-05", "lab nlp", A100, "ttttsshh", stale_seconds=14.0),
    Host("lab-06", "lab robotics", A100, "ttststth", has_ecc=False),
    Host("ws-01", "workstations office", ADA, "sthhhhh."),
    Host("ws-02", "workstations office", ADA, "tststthh"),
)


class Simulation:
    """Reads all GPUs once for all hosts: their number is what it costs."""

    def __init__(self) -> None:
        self._provider = make("simulated", Options(simulated_gpus=_KINDS * _VARIANTS))
        self._provider.open()
        self._reading: Reading | None = None

    def gpus(self, now: float) -> tuple[Gpu, ...]:
        if self._reading is None or now - self._reading.sampled_at >= 0.5:
            self._reading = self._provider.read(now)
        return self._reading.gpus

    def agent(self, place: int, host: Host) -> SimulatedAgent:
        """The host's agent."""
        now, seq = datetime.now(UTC), 0

        def read(at: float) -> Snapshot | None:
            nonlocal seq
            seq += 1
            if host.is_down and seq > 3:
                return None
            found = self.gpus(at)
            gpus = tuple([_gpu(found, host, place, index) for index in range(len(host.slots))])
            reason = "The driver does not answer." if host.stale_seconds else None
            return Snapshot(
                host=host.name, seq=seq, time=at, sampled_at=at - host.stale_seconds, age_seconds=host.stale_seconds,
                stale=reason is not None, stale_reason=reason, provider="simulated", is_simulated=True,
                driver_version=host.driver, cuda_version="13.0", poll_interval_seconds=1.0, gpus=gpus, totals=total(gpus),
            )  # fmt: skip

        return SimulatedAgent(
            host.name,
            read,
            tuple(host.tags.split()),
            version=host.version,
            clock_offset_seconds=host.clock_offset_seconds,
            last_seen_at=now - timedelta(minutes=12) if host.is_down else now,
        )


def _gpu(found: tuple[Gpu, ...], host: Host, place: int, index: int) -> Gpu:
    slot = host.slots[index]
    source = found[_KINDS * ((len(host.slots) * place + index) % _VARIANTS) + _SLOTS[slot]]
    share = host.model.memory_gib / 80
    gpu = msgspec.structs.replace(
        source,
        index=index,
        uuid=f"GPU-de300000-{place:04x}-4000-8000-{index:012x}",
        name=host.model.name,
        memory_total_bytes=host.model.memory_gib * GIB,
        memory_used_bytes=int((source.memory_used_bytes or 0) * share),
        memory_free_bytes=int((source.memory_free_bytes or 0) * share),
        ecc_is_enabled=host.has_ecc,
        state="lost" if slot == "x" else "ok",
    )
    return msgspec.structs.replace(gpu, use=use_of(gpu, IDLE_BY_DEFAULT))


def agents() -> list[SimulatedAgent]:
    """Of all hosts."""
    simulation = Simulation()
    return [simulation.agent(place, host) for place, host in enumerate(HOSTS)]


@contextlib.contextmanager
def fleet(folder: Path, **settings: object) -> Iterator[Server]:
    """A hub with 8 simulated GPUs of its own, and all hosts sending to it."""
    server = Server(folder, telemetry_provider="simulated", **settings)
    made = agents()
    join(server, made)
    server.start()
    try:
        with running(server.ws, made):
            yield server
    finally:
        server.stop()


def main() -> None:
    """Run until Ctrl-C."""
    with contextlib.suppress(KeyboardInterrupt), tempfile.TemporaryDirectory(prefix="gpumon-fleet-") as name:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with fleet(Path(name)) as server:
            wait_for(lambda: server.get("/api/health")[0] == 200, "the first reading")
            print(f"A hub and {len(HOSTS)} simulated hosts: {server.url}/  (Ctrl-C ends them)", flush=True)
            while True:
                time.sleep(3600)


if __name__ == "__main__":
    main()
