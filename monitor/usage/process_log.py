"""The processes of a GPU, from first to last seen. A PID that returns with another start time is another process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter

from monitor.telemetry.schema import EndedProcess, Gpu, GpuProcess
from monitor.usage import spans
from monitor.usage.accounts import Closed, ClosedProcess, OpenGpu, OpenProcess
from monitor.usage.holders import Holder, holder_of
from monitor.usage.shares import Division, Use

UNSEEN_SECONDS = 60.0
"""So long a process may be missing from the driver's list before it counts as ended."""
SAME_START_SECONDS = 2.0
"""Start times that differ by less are the same: the boot time, from which they are counted, is rounded to a second."""
MOST_CHARACTERS = 300
"""Of a command line in the ledger."""


_FACTS = attrgetter(
    "pid", "mig_instance", "started_at", "user", "name", "command", "container_id", "container_name", "pod_id", "pod_name", "job_id"
)  # fmt: skip
"""What says that a process is the same as in the reading before, and has the same names."""

_USE: Callable[[GpuProcess], Use] = attrgetter("memory_used_bytes", "sm_utilization_percent")


class Listing:
    """The processes that a reading of a GPU lists. Most readings list the same ones as the reading before."""

    def __init__(self, at: float, facts: list[tuple[object, ...]], found: list[OpenProcess]) -> None:
        self.at = at
        """The time of the last reading that lists them."""
        self.facts = facts
        self.found = found
        self.division = Division([each.holder for each in found])


def follow(
    known: OpenGpu, gpu: Gpu, at: float, seconds: float, closed: list[Closed], before: Listing | None
) -> tuple[Listing, list[Use]]:
    """Count these seconds, which the reading at `at` stands for, to the processes that it lists, and return those with their uses.
    `before`: of the last reading.

    A process that has ended but whose memory the driver still counts is not one of them.
    """
    processes = [each for each in gpu.processes or () if each.status != "gone"]
    facts = [*map(_FACTS, processes)]
    if before is not None and facts == before.facts and at - before.at <= UNSEEN_SECONDS:
        listing = before
        listing.at = at
    else:
        listing = Listing(at, facts, [_found(known, process, at, seconds, closed) for process in processes])
    uses = [*map(_USE, processes)]
    _count(listing.found, uses, at, seconds, nobody_works=gpu.utilization_percent == 0.0)
    return listing, uses


def _found(known: OpenGpu, process: GpuProcess, at: float, seconds: float, closed: list[Closed]) -> OpenProcess:
    """The open process that this is, or a new one."""
    key = process.pid, -1 if process.mig_instance is None else process.mig_instance
    found = known.processes.get(key)
    if found is not None and not _is_same(found, process, at):
        closed.append(ClosedProcess(known.uuid, found))
        found = None
    if found is None:
        found = known.processes[key] = _opened(process, at - seconds)
    else:
        _learn(known, found, process)
    return found


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


def _count(
    processes: Sequence[OpenProcess], uses: Sequence[Use], at: float, seconds: float, *, nobody_works: bool
) -> None:
    for found, (memory, sm_percent) in zip(processes, uses, strict=True):
        found.last_at = at
        found.seconds += seconds
        if memory is not None:
            found.memory_byte_seconds += memory * seconds
            found.memory_seconds += seconds
            if found.memory_peak_bytes is None or memory > found.memory_peak_bytes:
                found.memory_peak_bytes = memory
        if sm_percent is not None:
            found.sm_percent_seconds += sm_percent * seconds
            found.sm_seconds += seconds
        elif nobody_works:
            found.sm_seconds += seconds
        if sm_percent == 0.0 or (sm_percent is None and nobody_works):
            found.zero_seconds += seconds
