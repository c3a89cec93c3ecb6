"""The processes of a span, from the ledger: those that have ended, and those that still run."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from monitor.models.usage import UsageGpu, UsageProcess
from monitor.usage.accounts import OpenGpu
from monitor.usage.holders import Holder
from monitor.usage.process_log import UNSEEN_SECONDS
from monitor.usage.records import gpus_of, load_journals


class ProcessRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A process on a GPU, from first to last seen. Null: unknown, or there is none."""

    host: str
    """Name of the host."""
    gpu_uuid: str
    gpu_index: int
    pid: int
    user: str | None
    program: str | None
    """The executable's name."""
    command: str | None
    """The program and the script or module that it runs. Null for viewers who may not see command lines."""
    command_line: str | None
    """At most 300 characters. Null for viewers who may not see command lines."""
    container: str | None
    """Its name or the pod's, else the first 12 digits of its ID."""
    container_id: str | None
    pod: str | None
    job: str | None
    started_at: float | None
    """When the process itself began."""
    first_at: float
    """When it was first seen on the GPU."""
    last_at: float
    is_running: bool
    """It was seen within the last minute that is recorded."""
    seconds: float
    """How long it was seen: less than from first to last where readings are missing."""
    memory_mean_bytes: int | None
    memory_peak_bytes: int | None
    sm_percent: float | None
    """Mean SM time, 0 to 100."""
    zero_seconds: float
    """At 0 % SM time."""
    is_from_accounting: bool
    """No reading has shown it, so whose it was is unknown: the driver's accounting mode did, when it had ended. `sm_percent` is
    then the share of its time in which a kernel ran."""


def processes(
    start: float, end: float, *, uuid: str | None = None, host_id: str | None = None, most: int = 500
) -> list[ProcessRecord]:
    """Those seen in the span, the last seen first; of one GPU, if `uuid` names it; of a host or of all. Reads the database."""
    found = [
        record
        for journal in load_journals(host_id).values()
        for known in journal.gpus.values()
        if uuid in (None, known.uuid)
        for record in _open_ones(known, journal.until)
        if record.last_at > start and record.first_at < end
    ]
    rows = UsageProcess.objects.filter(last_at__gt=start, first_at__lt=end).select_related("holder")
    gpus = {id_: gpu for id_, gpu in gpus_of(host_id).items() if uuid in (None, gpu.uuid)}
    if uuid is not None or host_id is not None:
        rows = rows.filter(gpu_id__in=gpus)
    found += [_closed(row, gpus[row.gpu_id]) for row in rows.order_by("-last_at")[:most] if row.gpu_id in gpus]
    found.sort(key=lambda record: (-record.last_at, record.host, record.gpu_index, record.pid))
    return found[:most]


def _open_ones(known: OpenGpu, until: float) -> Iterator[ProcessRecord]:
    for process in known.processes.values():
        yield ProcessRecord(
            host=known.host,
            gpu_uuid=known.uuid,
            gpu_index=known.index,
            pid=process.pid,
            **_names(process.holder),
            command_line=process.command_line or None,
            container_id=process.container_id or None,
            pod=process.pod or None,
            started_at=process.started_at,
            first_at=process.first_at,
            last_at=process.last_at,
            is_running=process.last_at >= until - UNSEEN_SECONDS,
            seconds=process.seconds,
            memory_mean_bytes=process.memory_mean_bytes,
            memory_peak_bytes=process.memory_peak_bytes,
            sm_percent=process.sm_percent,
            zero_seconds=process.zero_seconds,
            is_from_accounting=False,
        )


def _closed(row: UsageProcess, gpu: UsageGpu) -> ProcessRecord:
    holder = Holder(*[getattr(row.holder, name) for name in Holder._fields])
    return ProcessRecord(
        host=gpu.host,
        gpu_uuid=gpu.uuid,
        gpu_index=gpu.index,
        pid=row.pid,
        **_names(holder),
        command_line=row.command_line or None,
        container_id=row.container_id or None,
        pod=row.pod or None,
        started_at=row.started_at,
        first_at=row.first_at,
        last_at=row.last_at,
        is_running=False,
        seconds=row.seconds,
        memory_mean_bytes=row.memory_mean_bytes,
        memory_peak_bytes=row.memory_peak_bytes,
        sm_percent=row.sm_percent,
        zero_seconds=row.zero_seconds,
        is_from_accounting=row.is_from_accounting,
    )


def _names(holder: Holder) -> dict[str, str | None]:
    return {name: text or None for name, text in holder._asdict().items()}
