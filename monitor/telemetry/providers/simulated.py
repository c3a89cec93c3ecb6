"""The `simulated` provider: an imaginary GPU server for demonstrations and tests. Every page says so.

Everything is a function of the GPU's number and of time, so two runs at the same time show the same values.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from monitor.telemetry.options import Options
from monitor.telemetry.providers.base import GPU_METRICS, NOT_SUPPORTED, explain, unattributed_bytes, used_percent
from monitor.telemetry.schema import Gpu, GpuProcess, MigInstance, Notice, NvLink, Reading

GIB = 1 << 30
_NAME = "NVIDIA H100 80GB HBM3"
_TOTAL = 80 * GIB
_RESERVED = 551 << 20
_IDLE_WATTS, _LIMIT_WATTS = 70.0, 700.0
_LINKS = 18
_NOTICE = Notice(code="simulated", text="Simulated data: no real GPU is being read.")
IN_MIG_MODE = "not available while the GPU is in MIG mode"
_NOT_IN_MIG_MODE = (
    "utilization_percent",
    "memory_utilization_percent",
    "encoder_utilization_percent",
    "decoder_utilization_percent",
    "sm_activity_percent",
    "tensor_activity_percent",
    "dram_activity_percent",
)
_REASONS = {
    "hotspot_temperature_celsius": "NVML has no call for it",
    "retired_pages": NOT_SUPPORTED,
}


def _wave(now: float, period: float, phase: float) -> float:
    """0 to 1, smooth."""
    return 0.5 + 0.5 * math.sin(2 * math.pi * (now / period + phase))


def _train(now: float, phase: float) -> float:
    """Almost full load, with short dips while a step ends and data are loaded."""
    dip = 38 * max(0.0, math.sin(2 * math.pi * (now / 23 + phase)) - 0.97) / 0.03
    return 97 + 2.4 * math.sin(now * 2.1 + 7 * phase) - dip


def _serve(now: float, phase: float) -> float:
    """Requests in waves, some of them in bursts."""
    burst = 30 * max(0.0, math.sin(2 * math.pi * (now / 7.3 + phase)))
    return 28 + 30 * _wave(now, 47, phase) + burst * _wave(now, 3.1, 2 * phase)


def _encode(now: float, phase: float) -> float:
    return 21 + 6 * math.sin(now * 1.3 + phase)


def _nothing(_now: float, _phase: float) -> float:
    return 0.0


class Job(NamedTuple):
    """The workload of a GPU."""

    load: Callable[[float, float], float]
    user: str
    command: str
    memory_gib: float
    cpu_percent: float
    container: str | None = None
    job_id: str | None = None
    is_mig: bool = False


_COMMAND = "torchrun --nproc-per-node 4 train.py --config llama-70b.yaml"
_TRAINING = Job(_train, "mira", _COMMAND, 70.9, 212, "llama-70b", "8841")
_JOBS = (
    _TRAINING,
    _TRAINING,
    _TRAINING,
    Job(_serve, "oskar", "python -m vllm.entrypoints.openai.api_server --model mistral-7b", 63.6, 102, "vllm-2"),
    Job(_encode, "render", "ffmpeg -hwaccel cuda -i cam-14.mkv -c:v hevc_nvenc out.mkv", 2.1, 64),
    Job(_nothing, "jo", "jupyter-lab · ipykernel_launcher", 21.6, 1),
    Job(_nothing, "", "", 0.0, 0),
    Job(_serve, "lin", "python serve.py --slice", 9.5, 37, is_mig=True),
)
_HOT = 2
"""Index of the job whose GPU reaches its thermal limit from time to time."""
_HOT_EVERY_SECONDS = 360
"""It is hot for a third of the time: long enough for the default rules (30 and 60 s) to fire, and to look at their alerts."""


class _Device:
    """One simulated GPU. Constant facts are made once."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.job = _JOBS[index % len(_JOBS)]
        self.phase = (index * 0.377) % 1
        self.base_watts = _IDLE_WATTS + 3 * math.sin(index)
        mig = self._instances() if self.job.is_mig else ()
        facts: dict[str, Any] = {
            "index": index,
            "uuid": f"GPU-51e0cade-{index:04x}-4000-8000-{index:012x}",
            "name": _NAME,
            "pci_bus_id": f"0000:{0x1B + index:02x}:00.0",
            "architecture": "Hopper",
            "brand": "NVIDIA",
            "serial_number": f"16535230{index:05}",
            "compute_capability": "9.0",
            "vbios_version": "96.00.99.00.01",
            "memory_total_bytes": _TOTAL,
            "memory_reserved_bytes": _RESERVED,
            "bar1_total_bytes": 128 * GIB,
            "bar1_used_bytes": 1 << 20,
            "slowdown_temperature_celsius": 87,
            "shutdown_temperature_celsius": 92,
            "power_limit_watts": _LIMIT_WATTS,
            "power_default_limit_watts": _LIMIT_WATTS,
            "power_min_limit_watts": 200.0,
            "power_max_limit_watts": _LIMIT_WATTS,
            "memory_clock_mhz": 2619,
            "graphics_clock_max_mhz": 1980,
            "sm_clock_max_mhz": 1980,
            "memory_clock_max_mhz": 2619,
            "video_clock_max_mhz": 1545,
            "fans": (),
            "pcie_generation": 5,
            "pcie_generation_max": 5,
            "pcie_width": 16,
            "pcie_width_max": 16,
            "pcie_replays": 0,
            "fabric_state": "completed",
            "fabric_status": "success",
            "ecc_is_enabled": True,
            "ecc_corrected_volatile": 0,
            "ecc_uncorrected_volatile": 0,
            "ecc_corrected_aggregate": 0,
            "ecc_uncorrected_aggregate": 0,
            "remapped_rows_corrected": 0,
            "remapped_rows_uncorrected": 0,
            "remapped_rows_are_pending": False,
            "remapped_rows_failed": False,
            "recovery_action": "none",
            "xids": (),
            "compute_mode": "default",
            "persistence_mode": True,
            "mig_mode": self.job.is_mig,
            "mig_instances": mig,
        }
        self.facts = {**msgspec.structs.asdict(Gpu(index=index, uuid="", name="")), **facts}
        self.unavailable: dict[str, str] | None = None

    def _instances(self) -> tuple[MigInstance, ...]:
        return tuple(
            MigInstance(
                index=place,
                uuid=f"MIG-51e0cade-{place:04x}-4000-8000-{self.index:012x}",
                name=f"{_NAME} MIG {profile}",
                profile=profile,
                gpu_instance_id=place + 1,
                compute_instance_id=0,
                memory_total_bytes=int(gib * GIB),
                memory_used_bytes=int(used * GIB),
                memory_free_bytes=int((gib - used) * GIB),
                memory_reserved_bytes=0,
            )
            for place, (profile, gib, used) in enumerate((("3g.40gb", 39.5, 9.5), ("2g.20gb", 19.5, 9.5), ("1g.10gb", 9.5, 0.0)))
        )  # fmt: skip

    def read(self, now: float) -> Gpu:
        """The GPU at `now`. Loads are between 0 and 100 except for rounding, which is clamped."""
        job, load = self.job, min(100.0, max(0.0, self.job.load(now, self.phase)))
        is_hot = self.index % len(_JOBS) == _HOT and _wave(now, _HOT_EVERY_SECONDS, 0.3) > 0.72
        watts = min(_LIMIT_WATTS - (55 if is_hot else 0), self.base_watts + (load / 100) ** 0.8 * 640)
        # Temperature follows the mean load of the last minute, not the current load.
        warmth = sum(min(100.0, max(0.0, job.load(now - back, self.phase))) for back in (0, 15, 30, 45)) / 400
        temperature = 88 if is_hot else 31 + 35 * warmth + 2 * math.sin(self.index)
        clock = 1320 if is_hot else 345 if load == 0 and not job.memory_gib else 1980 - (load / 100) * 240
        used = int(job.memory_gib * GIB * (1 + 0.004 * math.sin(now / 5 + self.phase))) + (
            512 << 20 if job.command else 0
        )
        values = self.facts.copy()
        values.update(
            utilization_percent=None if job.is_mig else round(load),
            memory_utilization_percent=None if job.is_mig else round(load * 0.62),
            encoder_utilization_percent=None if job.is_mig else round(12 + 9 * _wave(now, 5, 0)) if job.load is _encode else 0,
            decoder_utilization_percent=None if job.is_mig else round(31 + 9 * _wave(now, 4, 0)) if job.load is _encode else 0,
            sm_activity_percent=None if job.is_mig else round(0.87 * load, 1),
            tensor_activity_percent=None if job.is_mig else round(0.46 * load, 1),
            dram_activity_percent=None if job.is_mig else round(0.54 * load, 1),
            jpeg_utilization_percent=0,
            ofa_utilization_percent=0,
            memory_used_bytes=used,
            memory_free_bytes=_TOTAL - _RESERVED - used,
            memory_used_percent=used_percent(used, _TOTAL),
            temperature_celsius=round(temperature),
            memory_temperature_celsius=round(temperature + 9),
            power_watts=round(watts, 1),
            power_average_watts=round(watts, 1),
            energy_joules=round(self._joules(now), 1),
            graphics_clock_mhz=round(clock),
            sm_clock_mhz=round(clock),
            video_clock_mhz=round(clock * 0.78),
            performance_state="P8" if clock == 345 else "P0",
            clock_event_reasons=_reasons(load, watts, is_hot=is_hot),
            pcie_rx_bytes_per_second=load * 1.2e8 * (0.8 + 0.2 * _wave(now, 3, self.phase)),
            pcie_tx_bytes_per_second=load * 5e7,
            nvlinks=_links(load),
            nvlink_rx_bytes_per_second=load * 2e8 * _LINKS,
            nvlink_tx_bytes_per_second=load * 2e8 * _LINKS,
            mig_instances=tuple(_measured(each, load) for each in self.facts["mig_instances"]),
            processes=self._processes(now, load),
        )  # fmt: skip
        values["memory_unattributed_bytes"] = unattributed_bytes(used, values["processes"])
        if self.unavailable is None:
            reasons = {**_REASONS, **dict.fromkeys(_NOT_IN_MIG_MODE, IN_MIG_MODE)}
            self.unavailable = explain(values, GPU_METRICS, reasons, NOT_SUPPORTED)
        values["unavailable"] = self.unavailable
        return Gpu(**values)

    def _joules(self, now: float) -> float:
        """Energy so far: idle draw, plus the mean draw of its job. It only rises."""
        return (now % 1e7) * (self.base_watts + (400 if self.job.load is not _nothing else 0))

    def _processes(self, now: float, load: float) -> tuple[GpuProcess, ...]:
        job = self.job
        if not job.command:
            return ()
        places: tuple[int | None, ...] = (0, 1) if job.is_mig else (None,)
        return tuple(
            GpuProcess(
                pid=41207 + 10 * self.index + (place or 0),
                types=("compute",),
                mig_instance=place,
                user=job.user,
                name=job.command.split()[0],
                command=job.command,
                memory_used_bytes=int(job.memory_gib * GIB),
                sm_utilization_percent=None if job.is_mig else round(load),
                memory_utilization_percent=None if job.is_mig else round(load * 0.62),
                encoder_utilization_percent=None if job.is_mig else 0,
                decoder_utilization_percent=None if job.is_mig else 0,
                cpu_percent=round(job.cpu_percent * (0.95 + 0.1 * _wave(now, 6, self.phase)), 1),
                resident_memory_bytes=int(job.memory_gib * GIB / 9),
                started_at=1_790_000_000.0 + 1000 * self.index,
                container_id=(job.container.encode().hex() + "0" * 64)[:64] if job.container else None,
                container_name=job.container,
                job_id=job.job_id,
                unavailable=_process_reasons(job),
            )
            for place in places
        )


def _measured(instance: MigInstance, load: float) -> MigInstance:
    """With the activity of its process, if it has one."""
    share = load if instance.memory_used_bytes else 0.0
    return msgspec.structs.replace(
        instance,
        sm_activity_percent=round(0.87 * share, 1),
        tensor_activity_percent=round(0.46 * share, 1),
        dram_activity_percent=round(0.54 * share, 1),
    )


def _process_reasons(job: Job) -> dict[str, str]:
    reasons = dict.fromkeys(("pod_id", "pod_name"), "not in a Kubernetes pod")
    if job.container is None:
        reasons |= dict.fromkeys(("container_id", "container_name"), "not in a container")
    if job.job_id is None:
        reasons["job_id"] = "not in a batch job"
    if job.is_mig:
        shares = ("sm", "memory", "encoder", "decoder")
        reasons |= {f"{share}_utilization_percent": IN_MIG_MODE for share in shares}
    return reasons


def _reasons(load: float, watts: float, *, is_hot: bool) -> tuple[str, ...]:
    if is_hot:
        return ("hw_thermal_slowdown",)
    if watts >= _LIMIT_WATTS - 1:
        return ("sw_power_cap",)
    return () if load else ("gpu_idle",)


def _links(load: float) -> tuple[NvLink, ...]:
    rate = load * 2e8
    return tuple(
        NvLink(
            link=link,
            is_active=True,
            version=4.0,
            rx_bytes_per_second=rate,
            tx_bytes_per_second=rate,
            peer_type="switch",
        )
        for link in range(_LINKS)
    )


class Simulated:
    """`options.simulated_gpus` GPUs, each with the workload of its number."""

    name = "simulated"
    is_simulated = True
    streams_at_interval = False

    def __init__(self, options: Options) -> None:
        self._count = options.simulated_gpus
        self._devices: list[_Device] = []

    def open(self) -> None:
        """Always succeeds."""
        self._devices = [_Device(index) for index in range(self._count)]

    def read(self, now: float) -> Reading:
        """Every GPU at `now`."""
        return Reading(
            sampled_at=now,
            gpus=tuple([device.read(now) for device in self._devices]),
            driver_version="simulated",
            cuda_version="13.0",
            notices=(_NOTICE,),
        )

    def close(self) -> None:
        """Has nothing to release."""
