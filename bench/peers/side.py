"""One peer in its own process and interpreter: `python -m bench.peers.side NAME PAUSE_SECONDS`.

For each number on stdin it makes that many readings, with the pause after each, and prints their CPU seconds. The first line is
what one reading has found.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

Read = Callable[[], dict[str, int]]


def nvitop() -> Read:
    """What nvitop's own documentation calls a snapshot: all devices and their processes."""
    from nvitop import Device, take_snapshots

    devices = Device.all()

    def read() -> dict[str, int]:
        taken = take_snapshots(devices)
        return {"gpus": len(taken.devices), "processes": len(taken.gpu_processes)}

    return read


def nvitop_exporter() -> Read:
    """A turn of the exporter's loop, without the text that a scrape makes of it."""
    from nvitop import Device
    from nvitop_exporter.exporter import PrometheusExporter
    from prometheus_client import CollectorRegistry

    exporter = PrometheusExporter(Device.all(), registry=CollectorRegistry())

    def read() -> dict[str, int]:
        exporter.update_host()
        for device in exporter.devices:
            exporter.update_device(device)
        return {"gpus": len(exporter.devices), "processes": sum(map(len, exporter.alive_pids.values()))}

    return read


def gpustat() -> Read:
    """What `gpustat` prints."""
    from gpustat import GPUStatCollection

    def read() -> dict[str, int]:
        found = GPUStatCollection.new_query()
        return {"gpus": len(found), "processes": sum(len(gpu.processes or ()) for gpu in found)}

    return read


def glances() -> Read:
    """The GPU part of glances: name, memory, utilization, temperature and fan, without processes."""
    from glances.plugins.gpu.cards.nvidia import NvidiaGPU

    cards: Any = NvidiaGPU()
    return lambda: {"gpus": len(cards.get_device_stats()), "processes": 0}


def main() -> None:
    sides = {"nvitop": nvitop, "nvitop-exporter": nvitop_exporter, "gpustat": gpustat, "glances": glances}
    read, pause_seconds = sides[sys.argv[1]](), float(sys.argv[2])
    read()  # what it caches at first
    print(json.dumps(read()), flush=True)
    for line in sys.stdin:
        began = time.process_time()
        for _ in range(int(line)):
            read()
            time.sleep(pause_seconds)
        print(time.process_time() - began, flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
