"""Draws the page's live pieces from a snapshot, by the same templates that draw the page at first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.template import Context
from django.template.loader import get_template

from monitor.live.frames import Piece
from monitor.telemetry.providers import LABELS
from monitor.telemetry.schema import Gpu, GpuProcess, Snapshot
from monitor.templatetags.live import COLLECTOR, Collector

LIVE_TEMPLATE = "monitor/live.html"

THROTTLE_WORDS = {
    "sw_power_cap": ("Power cap", ""),
    "hw_slowdown": ("Hardware slowdown", "warning"),
    "sync_boost": ("Sync boost", ""),
    "sw_thermal_slowdown": ("Thermal", "warning"),
    "hw_thermal_slowdown": ("Thermal, hardware", "critical"),
    "hw_power_brake_slowdown": ("Power brake", "critical"),
    "board_limit": ("Board limit", ""),
    "reliability": ("Reliability limit", ""),
}
"""Clock-event reasons worth a chip: idle and clocks set on purpose are none."""


class GpuView:
    """A GPU in its place on the page, with what the template cannot work out."""

    def __init__(self, place: int, gpu: Gpu) -> None:
        self.place = f"g{place}"
        self.gpu = gpu
        self.chips = [
            THROTTLE_WORDS.get(reason, (reason, ""))
            for reason in gpu.clock_event_reasons or ()
            if reason in THROTTLE_WORDS or reason.startswith("0x")
        ]
        self.process_count = None if gpu.processes is None else len(gpu.processes)


class ProcessView:
    """A process in its row."""

    def __init__(self, row: int, gpu: Gpu, process: GpuProcess) -> None:
        self.row = f"p{row}"
        self.gpu = gpu
        self.process = process
        self.types = "+".join(kind[0].upper() for kind in process.types)
        self.place = f"{gpu.index}" if process.mig_instance is None else f"{gpu.index}.{process.mig_instance}"


def context(snapshot: Snapshot) -> dict[str, Any]:
    """What the templates draw a snapshot from."""
    gpus = [GpuView(place, gpu) for place, gpu in enumerate(snapshot.gpus)]
    listed = [(gpu, process) for gpu in snapshot.gpus for process in gpu.processes or ()]
    processes = [ProcessView(row, gpu, process) for row, (gpu, process) in enumerate(listed)]
    cores = snapshot.system.cpu_core_percents if snapshot.system else None
    return {
        "snapshot": snapshot,
        "provider_label": LABELS.get(snapshot.provider or "", "no provider"),
        "gpus": gpus,
        "gpus_key": [(gpu.index, gpu.uuid, gpu.name, gpu.memory_is_unified) for gpu in snapshot.gpus],
        "processes": processes,
        "processes_key": [
            (
                gpu.index,
                p.pid,
                p.started_at,
                p.status,
                p.types,
                p.mig_instance,
                p.name,
                p.command,
                p.user,
                p.container_id,
            )
            for gpu, p in listed
        ],
        "core_heats": [round(core / 10) for core in cores] if cores is not None else (),
    }


def render(snapshot: Snapshot) -> Sequence[Piece]:
    """The live pieces of the dashboard at this snapshot."""
    collector = Collector()
    template = get_template(LIVE_TEMPLATE).template  # type: ignore[attr-defined]
    template.render(Context({**context(snapshot), COLLECTOR: collector}))
    return collector.pieces
