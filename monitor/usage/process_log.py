"""The processes of a GPU, from first to last seen. A PID that returns with another start time is another process."""

from __future__ import annotations

from monitor.telemetry.schema import EndedProcess, Gpu, GpuProcess
from monitor.usage import spans
from monitor.usage.accounts import Closed, ClosedProcess, OpenGpu, OpenProcess
from monitor.usage.holders import Holder, holder_of
from monitor.usage.shares import Listed

UNSEEN_SECONDS = 60.0
"""So long a process may be missing from the driver's list before it counts as ended."""
SAME_START_SECONDS = 2.0
"""Start times that differ by less are the same: the boot time, from which they are counted, is rounded to a second."""
MOST_CHARACTERS = 300
"""Of a command line in the ledger."""


def follow(known: OpenGpu, gpu: Gpu, at: float, seconds: float, closed: list[Closed]) -> list[Listed]:
    """Count these seconds, which the reading at `at` stands for, to the processes that it lists, and return those.

    A process that has ended but whose memory the driver still counts is not one of them.
    """
    listed = []
    nobody_works = gpu.utilization_percent == 0.0
    for process in gpu.processes or ():
        if process.status == "gone":
            continue
        key = process.pid, -1 if process.mig_instance is None else process.mig_instance
        found = known.processes.get(key)
        if found is not None and not _is_same(found, process, at):
            closed.append(ClosedProcess(known.uuid, found))
            found = None
        if found is None:
            found = known.processes[key] = _opened(process, at - seconds)
        else:
            _learn(known, found, process)
        _count(found, process, at, seconds, nobody_works=nobody_works)
        listed.append(Listed(found.holder, process.memory_used_bytes, process.sm_utilization_percent))
    return listed


def add_unread(known: OpenGpu, gpu: Gpu, at: float, closed: list[Closed], *, is_first: bool) -> None:
    """Move the processes that ended without any reading of them to `closed`: accounting mode knows them.

    They have no part of the GPU's time, which the readings divide. `is_first`: the reading is the first one, so they may have
    ended while nothing was recorded.
    """
    if gpu.ended_processes is None:
        return
    read = {pid for pid, _instance in known.processes}
    for ended in () if is_first else gpu.ended_processes:
        process = _unread(ended, at)
        # One that is reported late may have been read, ended and forgotten since.
        is_late = process.last_at < at - UNSEEN_SECONDS
        if not is_late and ended.pid not in read and ended.pid not in known.accounted:
            closed.append(ClosedProcess(known.uuid, process))
    known.accounted = {ended.pid for ended in gpu.ended_processes}


def _unread(ended: EndedProcess, at: float) -> OpenProcess:
    first_at = at - ended.seconds if ended.started_at is None else ended.started_at
    known_seconds = 0.0 if ended.utilization_percent is None else ended.seconds
    return OpenProcess(
        pid=ended.pid,
        holder=Holder(),
        command_line="",
        started_at=ended.started_at,
        first_at=first_at,
        last_at=first_at + ended.seconds,
        seconds=ended.seconds,
        memory_peak_bytes=ended.memory_peak_bytes,
        sm_percent_seconds=(ended.utilization_percent or 0.0) * known_seconds,
        sm_seconds=known_seconds,
        zero_seconds=known_seconds if ended.utilization_percent == 0 else 0.0,
        is_from_accounting=True,
    )


def add_to_open(known: OpenGpu, process: OpenProcess) -> bool:
    """Add time of a process that was missed to the same process, if it is still open."""
    for found in known.processes.values():
        if is_same_process(found, process):
            found.add(process)
            return True
    return False


def is_same_process(one: OpenProcess, other: OpenProcess) -> bool:
    """By PID and start."""
    if one.pid != other.pid or one.started_at is None or other.started_at is None:
        return False
    return abs(one.started_at - other.started_at) <= SAME_START_SECONDS


def end_unseen(known: OpenGpu, at: float, closed: list[Closed]) -> None:
    """Move the processes that have not been seen for a minute to `closed`."""
    unseen = [key for key, found in known.processes.items() if found.last_at < at - UNSEEN_SECONDS]
    closed += [ClosedProcess(known.uuid, known.processes.pop(key)) for key in unseen]


def end_all(known: OpenGpu, closed: list[Closed]) -> None:
    """Move all processes to `closed`: the host has the GPU no more."""
    closed += [ClosedProcess(known.uuid, found) for found in known.processes.values()]
    known.processes.clear()


def _is_same(found: OpenProcess, process: GpuProcess, at: float) -> bool:
    """Without start times, a PID that was away is taken for another process."""
    if found.started_at is None or process.started_at is None:
        return at - found.last_at <= UNSEEN_SECONDS
    return abs(found.started_at - process.started_at) <= SAME_START_SECONDS


def _opened(process: GpuProcess, first_at: float) -> OpenProcess:
    return OpenProcess(
        pid=process.pid,
        holder=holder_of(process),
        command_line=(process.command or "")[:MOST_CHARACTERS],
        started_at=process.started_at,
        first_at=first_at,
        last_at=first_at,
        container_id=process.container_id or "",
        pod=process.pod_name or process.pod_id or "",
    )


def _learn(known: OpenGpu, found: OpenProcess, process: GpuProcess) -> None:
    """Names that were not known at first, such as a user's from LDAP, hold from the beginning; others from now on."""
    if found.started_at is None:
        found.started_at = process.started_at
    before, holder = found.holder, holder_of(process)
    if holder == before:
        return
    found.command_line = (process.command or found.command_line)[:MOST_CHARACTERS]
    found.container_id = process.container_id or found.container_id
    found.pod = process.pod_name or process.pod_id or found.pod
    found.holder = holder
    if holder.refines(before) and not any(each.holder == before for each in known.processes.values()):
        _relabel(known, before, holder)


def _relabel(known: OpenGpu, before: Holder, holder: Holder) -> None:
    account = known.account.holders.pop(before, None)
    if account is not None:
        if holder in known.account.holders:
            known.account.holders[holder].add(account)
        else:
            known.account.holders[holder] = account
    if holder.user != before.user:
        spans.relabel(known, before.user, holder.user)


def _count(found: OpenProcess, process: GpuProcess, at: float, seconds: float, *, nobody_works: bool) -> None:
    found.last_at = at
    found.seconds += seconds
    memory, sm_percent = process.memory_used_bytes, process.sm_utilization_percent
    if memory is not None:
        found.memory_byte_seconds += memory * seconds
        found.memory_seconds += seconds
        found.memory_peak_bytes = max(memory, found.memory_peak_bytes or 0)
    if sm_percent is None and nobody_works:
        sm_percent = 0.0
    if sm_percent is not None:
        found.sm_percent_seconds += sm_percent * seconds
        found.sm_seconds += seconds
        if sm_percent == 0.0:
            found.zero_seconds += seconds
