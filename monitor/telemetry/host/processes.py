"""What the host knows about the PIDs that the driver lists: user, command, CPU, memory, container. Never a wrong name.

/proc/PID/stat is read once per PID and tick, everything else once per process, identified by PID and start time. What can hang,
user names among it, is looked up in threads: a reading does not wait for it.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from typing import Any

import msgspec

from monitor.sanitize import plain
from monitor.telemetry.host.background_lookups import BackgroundLookups
from monitor.telemetry.host.command_secrets import hide_secrets
from monitor.telemetry.host.container_ids import Membership
from monitor.telemetry.host.kernel_files import ProcessStats
from monitor.telemetry.host.placement import FIELDS as PLACEMENT_FIELDS
from monitor.telemetry.host.placement import Placements
from monitor.telemetry.host.process_facts import Facts, ProcessKey, holds_driver, read_facts
from monitor.telemetry.host.user_names import UserNames
from monitor.telemetry.schema import Gpu, GpuProcess, Notice

INITIAL_PID_NAMESPACE = 0xEFFFFFFC
"""PROC_PID_INIT_INO of the kernel's include/linux/proc_ns.h: the inode of the first PID namespace."""
HIDDEN = "hidden by PID namespace: start the container with `pid: host`"
GONE = "the process is gone, but the driver still counts its memory"
ZOMBIE = "the process has ended (a zombie), but the driver still counts its memory"
PENDING = "/proc/{pid} has not answered yet"
FORBIDDEN = "no permission to read /proc/{pid}"
UNSEEN = "/proc hides the processes of other users here (mounted with hidepid, or systemd's ProtectProc)"
NEEDS_TWO_READINGS = "needs two readings"
NO_BOOT_TIME = "the kernel does not report its boot time"
BY_SETTING = "hidden by SHOW_COMMANDS"

_HOST_FIELDS = (
    "user", "name", "command", "cpu_percent", "resident_memory_bytes", "started_at", *PLACEMENT_FIELDS
)  # fmt: skip
_COMMAND_SECONDS = 30.0
"""How often the command is read again: exec(2) changes it in a running process."""
_THREADS = 4
"""For what hangs. A process whose memory map is locked keeps one busy."""
_DOUBT_SECONDS = 10.0
"""How long a PID that is not known to be ours is not examined again."""
_INODE = re.compile(r"\[(\d+)\]")
_NOTICE = Notice(
    code="pid_namespace",
    text="Host processes are hidden from this container's PID namespace: only their GPU usage is known.",
    fix="Start the container with `pid: host` (`docker run --pid=host`).",
)


class _Stat(msgspec.Struct, frozen=True):
    """From /proc/PID/stat. The start is in clock ticks after boot."""

    has_ended: bool
    """A zombie without further threads: if only the first thread has ended, the process is still running."""
    cpu_seconds: float
    start_ticks: int
    resident_pages: int
    comm: bytes


class _Known(msgspec.Struct):
    """What is cached about a process while it lives."""

    start_ticks: int
    uid: int | None = None
    user: str | None = None
    name: str | None = None
    command: str | None = None
    contained: Membership = Membership(None, None)
    read_at: float = -math.inf
    is_read: bool = False
    """/proc has answered, with or without the facts."""
    is_ours: bool = True
    cpu: tuple[float, float] | None = None
    cpu_percent: float | None = None
    counted_at: float = -1.0


class ProcessTable:
    """Adds the host's facts to the processes of readings. Used in one thread."""

    def __init__(
        self,
        root: str = "/",
        show_commands: str = "full",
        *,
        container_socket: str | None = None,
        job_mapping_dir: str | None = None,
        is_anothers: Callable[[int], bool] | None = None,
    ) -> None:
        """`is_anothers` tests whether a PID that /proc does not show is a process of another user."""
        self._is_anothers = is_anothers or _is_anothers
        self._proc = os.path.join(root, "proc")
        self._root = root
        self._show = show_commands
        self._known: dict[int, _Known] = {}
        self._stats = ProcessStats(self._proc)
        self._ticks = os.sysconf("SC_CLK_TCK")
        self._page = os.sysconf("SC_PAGE_SIZE")
        self._booted_at = self._boot_time()
        self._is_initial = self._namespace() == INITIAL_PID_NAMESPACE
        self._has_hidden = False
        self._users = UserNames()
        self._placements = Placements(root, container_socket, job_mapping_dir)
        self._facts: BackgroundLookups[ProcessKey, Facts] = BackgroundLookups(
            lambda key: read_facts(self._proc, key.pid),
            seconds_valid=lambda _: _COMMAND_SECONDS,
            most_threads=_THREADS,
        )
        self._holders: BackgroundLookups[ProcessKey, bool] = BackgroundLookups(
            lambda key: holds_driver(self._proc, key.pid),
            seconds_valid=lambda _: _DOUBT_SECONDS,
            most_threads=_THREADS,
        )

    def describe(self, gpus: tuple[Gpu, ...], now: float) -> tuple[Gpu, ...]:
        """The GPUs with their processes completed, at `now` of a monotonic clock."""
        for lookups in (self._users, self._facts, self._holders, self._placements):
            lookups.begin(now)
        seen: set[int] = set()
        described = tuple([self._describe_gpu(gpu, now, seen) if gpu.processes else gpu for gpu in gpus])
        if len(self._known) > len(seen):
            self._known = {pid: known for pid, known in self._known.items() if pid in seen}
        self._stats.keep_only(self._known.keys())
        keys = {ProcessKey(pid, known.start_ticks) for pid, known in self._known.items()}
        self._facts.keep_only(keys)
        self._holders.keep_only(keys)
        self._placements.keep_only([known.contained for known in self._known.values()])
        return described

    def notices(self) -> tuple[Notice, ...]:
        """Notices about the processes of this host."""
        return (_NOTICE,) if self._has_hidden else ()

    def _describe_gpu(self, gpu: Gpu, now: float, seen: set[int]) -> Gpu:
        return _with_processes(gpu, lambda process: self._describe(gpu, process, now, seen))

    def _describe(self, gpu: Gpu, process: GpuProcess, now: float, seen: set[int]) -> GpuProcess:
        pid = process.pid
        seen.add(pid)
        try:
            stat = self._stat(pid)
        except (FileNotFoundError, ProcessLookupError):
            self._known.pop(pid, None)
            if not self._is_initial:
                return self._hidden(process)
            if self._is_anothers(pid):
                return self._without_host(process, "running", UNSEEN)
            return self._without_host(process, "gone", GONE)
        except PermissionError:
            if not self._is_initial:
                return self._hidden(process)  # cannot verify what the PID is in our namespace
            return self._without_host(process, "running", FORBIDDEN.format(pid=pid))
        known = self._known.get(pid)
        if known is None or known.start_ticks != stat.start_ticks:
            known = self._known[pid] = _Known(stat.start_ticks, is_ours=self._is_initial)
        key = ProcessKey(pid, stat.start_ticks)
        if not known.is_ours:
            known.is_ours = self._holders.get(key) is True
            if not known.is_ours:
                return self._hidden(process)
        self._take_facts(key, known, stat, now)
        self._count_cpu(known, stat, now)
        return self._completed(gpu, process, known, stat)

    def _completed(self, gpu: Gpu, process: GpuProcess, known: _Known, stat: _Stat) -> GpuProcess:
        placement, why_unplaced = self._placements.of(known.contained, gpu, process)
        values: dict[str, Any] = {
            "user": known.user,
            "name": known.name,
            "command": known.command,
            "cpu_percent": known.cpu_percent,
            "resident_memory_bytes": stat.resident_pages * self._page,
            "started_at": self._booted_at + stat.start_ticks / self._ticks if self._booted_at else None,
            **placement,
        }
        reasons = {**process.unavailable, **why_unplaced}
        if known.cpu_percent is None:
            reasons["cpu_percent"] = NEEDS_TWO_READINGS
        for field in ("user", "name", "command"):
            if values[field] is None:
                reasons[field] = (FORBIDDEN if known.is_read else PENDING).format(pid=process.pid)
        if values["started_at"] is None:
            reasons["started_at"] = NO_BOOT_TIME
        if stat.has_ended:
            values["status"], values["cpu_percent"], reasons["cpu_percent"] = "gone", None, ZOMBIE
        if self._show != "full":
            values["command"], reasons["command"] = None, BY_SETTING
        if self._show == "none":
            values["name"], reasons["name"] = None, BY_SETTING
        return msgspec.structs.replace(process, unavailable=reasons, **values)

    def _hidden(self, process: GpuProcess) -> GpuProcess:
        """The row of a PID of another namespace. nvidia-smi and nvtop looked it up in ours, so their names are dropped."""
        self._has_hidden = True
        nameless = msgspec.structs.replace(process, user=None, name=None, command=None)
        return self._without_host(nameless, "hidden", HIDDEN)

    def _without_host(self, process: GpuProcess, status: str, reason: str) -> GpuProcess:
        """The row with the driver's facts, and `reason` for those of the host that are missing."""
        missing = {field: reason for field in _HOST_FIELDS if getattr(process, field) is None}
        row = msgspec.structs.replace(process, status=status, unavailable={**process.unavailable, **missing})
        return _without_command(row, self._show)

    # ── /proc ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _stat(self, pid: int) -> _Stat:
        before, _, after = self._stats.read(pid).rpartition(b")")  # the name can contain spaces and parentheses
        # Fields are numbered from 1 in proc(5), with the state (3) the first one after the name; 24 is the last one used.
        fields = after.split(maxsplit=22)
        return _Stat(
            has_ended=fields[0] in b"ZX" and int(fields[17]) <= 1,
            cpu_seconds=(int(fields[11]) + int(fields[12])) / self._ticks,
            start_ticks=int(fields[19]),
            resident_pages=int(fields[21]),
            comm=before.partition(b"(")[2],
        )

    def _take_facts(self, key: ProcessKey, known: _Known, stat: _Stat, now: float) -> None:
        """Take over what is known of the process now; missing facts keep their reason."""
        pid = key.pid
        if now - known.read_at >= _COMMAND_SECONDS:
            known.read_at = now
            known.name = plain(stat.comm.decode(errors="replace")) or "?"
            try:
                known.uid = os.stat(f"{self._proc}/{pid}").st_uid
            except OSError:
                return  # it has just ended
        if known.uid is not None:
            known.user = self._users.name_of(known.uid)
        facts = self._facts.get(key)
        if facts is None:
            return
        known.is_read = True
        if facts.command:
            known.command = facts.command
        elif facts.command is not None and known.command is None:
            # A kernel thread has none, nor has an ended process: shown as ps(1) does.
            known.command = f"[{known.name}]" + (" <defunct>" if stat.has_ended else "")
        if facts.contained is not None:
            known.contained = facts.contained

    def _count_cpu(self, known: _Known, stat: _Stat, now: float) -> None:
        if known.counted_at == now:
            return  # the process is on several GPUs
        if known.cpu is not None and now > known.cpu[1]:
            known.cpu_percent = max(0.0, 100 * (stat.cpu_seconds - known.cpu[0]) / (now - known.cpu[1]))
        known.cpu = (stat.cpu_seconds, now)
        known.counted_at = now

    def _namespace(self) -> int | None:
        """The inode of our PID namespace, from a link such as pid:[4026531836]."""
        try:
            found = _INODE.search(os.readlink(f"{self._proc}/self/ns/pid"))
        except OSError:
            return INITIAL_PID_NAMESPACE  # a kernel without namespaces
        return int(found.group(1)) if found else None

    def _boot_time(self) -> float | None:
        try:
            with open(f"{self._proc}/stat", encoding="utf-8") as file:
                return next((float(line.split()[1]) for line in file if line.startswith("btime ")), None)
        except OSError:
            return None


def without_commands(gpus: tuple[Gpu, ...], show_commands: str) -> tuple[Gpu, ...]:
    """The GPUs with as much of each command line as SHOW_COMMANDS allows."""
    if show_commands == "full":
        return gpus

    def limited(process: GpuProcess) -> GpuProcess:
        return _without_command(process, show_commands)

    return tuple([_with_processes(gpu, limited) if gpu.processes else gpu for gpu in gpus])


def without_command_secrets(gpus: tuple[Gpu, ...]) -> tuple[Gpu, ...]:
    """The GPUs, with the secrets in the command lines that a provider has read hidden."""
    if not any(process.command for gpu in gpus for process in gpu.processes or ()):
        return gpus
    return tuple([_with_processes(gpu, _without_secrets) if gpu.processes else gpu for gpu in gpus])


def _with_processes(gpu: Gpu, make: Callable[[GpuProcess], GpuProcess]) -> Gpu:
    return msgspec.structs.replace(gpu, processes=tuple([make(process) for process in gpu.processes or ()]))


def _without_secrets(process: GpuProcess) -> GpuProcess:
    if process.command is None or (shown := hide_secrets(process.command)) == process.command:
        return process
    return msgspec.structs.replace(process, command=shown)


def _without_command(process: GpuProcess, show_commands: str) -> GpuProcess:
    if show_commands == "full":
        return process
    command, reasons = None, {**process.unavailable, "command": BY_SETTING}
    if show_commands == "name":
        return msgspec.structs.replace(process, command=command, unavailable=reasons)
    reasons["name"] = BY_SETTING
    return msgspec.structs.replace(process, command=command, name=None, unavailable=reasons)


def _is_anothers(pid: int) -> bool:
    """Signal 0 is not delivered: it only tests whether the process exists."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return False  # ours, so /proc would have shown it: it has just started, or ended
