"""The evidence of one alert while it is recorded: from the moment it fires until 15 minutes later."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import NamedTuple

from monitor.alerts.evidence import AFTER_SECONDS, BEFORE_SECONDS, Evidence, Gap, GpuThen, KernelLine, Line, SeenXid
from monitor.rules.evaluation import Event
from monitor.rules.kinds.registry import KINDS
from monitor.rules.metrics import metrics
from monitor.rules.rule import Rule
from monitor.rules.sentences import value_of
from monitor.telemetry.host.kernel_log import XidMessage
from monitor.telemetry.schema import Gpu, GpuProcess, Snapshot

MOST_PROCESSES = 60
"""Kept of the alert's GPUs together: those with the most memory."""
MOST_KERNEL_LINES = 20
"""Kept of the kernel's log: the earliest, which are nearest to the cause."""
_MORE_KERNEL_LINES = f"only the first {MOST_KERNEL_LINES} lines of the kernel log are kept"
_LONGEST_KERNEL_LINE = 300
_SHORTEST_STEP_SECONDS = 0.9
"""Readings closer together are skipped: they are kept once a second, and ticks are a little early or late."""
_TOPS = {
    "gpu.sm_clock_mhz": "sm_clock_max_mhz",
    "gpu.memory_clock_mhz": "memory_clock_max_mhz",
    "gpu.graphics_clock_mhz": "graphics_clock_max_mhz",
    "gpu.power_watts": "power_limit_watts",
    "gpu.memory_used_bytes": "memory_total_bytes",
    "process.memory_used_bytes": "memory_total_bytes",
}
_NO_READING = "no fresh reading"
NOT_RUNNING = "server not running"
_KERNEL_LOG_ELSEWHERE = "the kernel log of another host is not read"


class Earlier(NamedTuple):
    """What the history has of the time before an alert. Times are Unix seconds."""

    times: Sequence[float]
    columns: Sequence[Sequence[float | None]]
    """The values of each metric, one for each of the times."""
    gaps: Sequence[Gap]


def nothing_stored(case: Case) -> Earlier:
    """Where there is no history."""
    return Earlier((), [()] * len(case.metrics), ())


class Case:
    """One alert's evidence in the making. Not for several threads."""

    def __init__(self, event: Event) -> None:
        self.event = event
        self.host_id = event.host_id or ""
        """Empty: the host that the server runs on."""
        self.key = event.rule_then.id, self.host_id, event.subject
        """What flaps if it fires again."""
        self.fired_at = event.fired_at
        """By the clock of the readings as it is set now."""
        self.metrics = charted(event.rule_then)
        self.is_changed = True
        """Whether anything differs from what was last written."""
        self.lacks_before = True
        """What was read before it fired is still to be added."""
        self._times = array("d")
        self._columns = [array("d") for _ in self.metrics]
        self._tops: list[float | None] = [None for _ in self.metrics]
        self._gaps: list[Gap] = []
        self._gpus: tuple[GpuThen, ...] = ()
        self._unlisted = 0
        self._xids: dict[tuple[int, int, int], SeenXid] = {}
        self._kernel_lines: tuple[KernelLine, ...] = ()
        self._kernel_log_note = ""
        self._in_kernel_log: dict[str, int] = {}
        """Indexes of the GPUs about which the kernel's log may say something, by PCI address."""
        self.wants_kernel_log = False
        """Something has happened that the kernel's log may explain: give it to `take_kernel_log`."""
        self._recorded_with = ""
        self._first, self._last = -BEFORE_SECONDS, AFTER_SECONDS

    @classmethod
    def begun(cls, event: Event, snapshot: Snapshot, *, recorded_with: str = "") -> Case:
        """An alert that fired with this snapshot. `recorded_with`: see Evidence."""
        case = cls(event)
        case._gpus, case._unlisted = _processes_then(event, snapshot)
        case._recorded_with = recorded_with
        if recorded_with:
            case.lacks_before = False
        else:
            case.take(snapshot)
            for gpu in _gpus_of(event, snapshot):
                if gpu.state == "lost":
                    case._look_in_kernel_log(gpu, snapshot)
        return case

    @classmethod
    def resumed(cls, event: Event, evidence: Evidence, *, now: float) -> Case:
        """An alert whose evidence was begun before a restart. `now`: Unix seconds."""
        case = cls(event)
        case.lacks_before = case.is_changed = False
        case.metrics = tuple(line.metric for line in evidence.lines)
        case._times = array("d", evidence.times)
        case._columns = [
            array("d", [math.nan if value is None else value for value in line.values]) for line in evidence.lines
        ]
        case._tops = [line.top for line in evidence.lines]
        case._gpus, case._unlisted = evidence.gpus, evidence.unlisted_processes
        case._recorded_with = evidence.recorded_with
        last = evidence.times[-1] if evidence.times else 0.0
        case._gaps = [*evidence.gaps, Gap(last, max(last, now - event.fired_at), NOT_RUNNING)]
        for xid in evidence.xids:
            case._remember(xid)
        case._kernel_lines, case._kernel_log_note = evidence.kernel_lines, evidence.kernel_log_note
        return case

    @property
    def is_recorded_with_another(self) -> bool:
        """Another alert's case has the readings."""
        return bool(self._recorded_with)

    def is_over(self, now: float) -> bool:
        """Whether nothing more is recorded. `now`: by the clock of the readings, Unix seconds."""
        return self.is_recorded_with_another or now - self.fired_at > AFTER_SECONDS

    def shift(self, seconds: float) -> None:
        """The clock was moved by this many seconds."""
        self.fired_at += seconds

    def take(self, snapshot: Snapshot, *, has_fired: bool = False) -> None:
        """Add the next reading, unless the case is over. `has_fired`: another alert of the case fired with it, so it is kept even
        if it follows soon."""
        at = _time_of(snapshot) - self.fired_at
        least = 1e-3 if has_fired else _SHORTEST_STEP_SECONDS
        if not self._first <= at <= self._last or (self._times and at - self._times[-1] < least):
            return
        before = self._times[-1] if self._times else at
        self._add(at, snapshot)
        self._note_gap(before, at, snapshot)
        self.is_changed = True

    def earlier(self) -> Case:
        """A case that takes what was read before this one began. Give it to `prepend`."""
        case = Case(self.event)
        case.fired_at = self.fired_at
        case._last = (self._times[0] if self._times else 0.0) - _SHORTEST_STEP_SECONDS
        return case

    def take_stored(self, stored: Earlier) -> None:
        """Add what the history has."""
        self._times = array("d", [at - self.fired_at for at in stored.times])
        self._columns = [
            array("d", [math.nan if value is None else value for value in each]) for each in stored.columns
        ]
        self._gaps = [Gap(gap.start - self.fired_at, gap.end - self.fired_at, gap.reason) for gap in stored.gaps]

    @property
    def span(self) -> tuple[float, float]:
        """Of what the case takes, in Unix seconds."""
        return self.fired_at + self._first, self.fired_at + self._last

    def prepend(self, earlier: Case) -> None:
        """Add what was read before it fired."""
        self._times = earlier._times + self._times
        self._columns = [before + after for before, after in zip(earlier._columns, self._columns, strict=True)]
        self._gaps = [*earlier._gaps, *self._gaps]
        self._xids = {**earlier._xids, **self._xids}
        self._in_kernel_log |= earlier._in_kernel_log
        self.wants_kernel_log |= earlier.wants_kernel_log
        self.lacks_before, self.is_changed = False, True

    def take_kernel_log(self, messages: Iterable[XidMessage], why_unreadable: str = "") -> None:
        """Add what the kernel's log says about the GPUs that reported an Xid or were lost; or note why nothing is known."""
        self.wants_kernel_log, self.is_changed = False, True
        found = [
            KernelLine(round(each.at - self.fired_at, 1), gpu_index, each.text[:_LONGEST_KERNEL_LINE])
            for each in messages
            if (gpu_index := self._in_kernel_log.get(each.pci_bus_id)) is not None
            and -BEFORE_SECONDS <= each.at - self.fired_at <= AFTER_SECONDS
        ]
        known = {(line.gpu_index, line.text) for line in found}
        # The kernel may have overwritten lines that are kept already.
        kept = [line for line in self._kernel_lines if (line.gpu_index, line.text) not in known]
        lines = sorted([*kept, *found], key=lambda line: line.at)
        self._kernel_lines = tuple(lines[:MOST_KERNEL_LINES])
        self._kernel_log_note = _MORE_KERNEL_LINES if len(lines) > MOST_KERNEL_LINES else why_unreadable

    def evidence(self) -> Evidence:
        """As recorded so far."""
        return Evidence(
            recorded_with=self._recorded_with,
            times=tuple(self._times),
            lines=tuple(
                Line(metric, tuple(None if math.isnan(value) else value for value in column), top)
                for metric, column, top in zip(self.metrics, self._columns, self._tops, strict=True)
            ),
            gaps=tuple(self._gaps),
            gpus=self._gpus,
            unlisted_processes=self._unlisted,
            xids=tuple(sorted(self._xids.values(), key=lambda xid: xid.at)),
            kernel_lines=self._kernel_lines,
            kernel_log_note=self._kernel_log_note,
        )

    def _add(self, at: float, snapshot: Snapshot) -> None:
        self._times.append(at)
        for line, metric in enumerate(self.metrics):
            value = value_of(metric, self.event, snapshot)
            self._columns[line].append(math.nan if value is None else float(value))
            if (top := _top(metric, self.event, snapshot)) is not None:
                self._tops[line] = top
        for gpu in _gpus_of(self.event, snapshot):
            for xid in gpu.xids or ():
                seen = SeenXid(round(xid.last_at - self.fired_at, 1), gpu.index, xid.code, xid.count)
                if self._remember(seen):
                    self._look_in_kernel_log(gpu, snapshot)

    def _remember(self, xid: SeenXid) -> bool:
        """Whether it is within the span, and new."""
        key = xid.gpu_index, xid.code, xid.count
        if key in self._xids or not -BEFORE_SECONDS <= xid.at <= AFTER_SECONDS:
            return False
        self._xids[key] = xid
        return True

    def _look_in_kernel_log(self, gpu: Gpu, snapshot: Snapshot) -> None:
        if self.host_id:
            self._kernel_log_note = _KERNEL_LOG_ELSEWHERE
        elif gpu.pci_bus_id is not None and not snapshot.is_simulated:
            self._in_kernel_log[gpu.pci_bus_id.rpartition(".")[0]] = gpu.index
            self.wants_kernel_log = True

    def _note_gap(self, before: float, at: float, snapshot: Snapshot) -> None:
        """Note why nothing is known at `at`, if nothing is; from `before` on, if that was the case then too."""
        reason = self._why_unknown(snapshot)
        if reason is None:
            return
        last = self._gaps[-1] if self._gaps else None
        if last is not None and last.reason == reason and last.end >= before:
            self._gaps[-1] = Gap(last.start, at, reason)
        else:
            self._gaps.append(Gap(at, at, reason))

    def _why_unknown(self, snapshot: Snapshot) -> str | None:
        """Why no metric of the alert is known; None if one is."""
        if not self.metrics or any(value_of(metric, self.event, snapshot) is not None for metric in self.metrics):
            return None
        of = metrics()[self.metrics[0]].of if self.metrics[0] in metrics() else "gpu"
        if of == "system":
            return "no system metrics"
        if snapshot.stale or of == "health":
            return _NO_READING
        gpu = next(iter(_gpus_of(self.event, snapshot)), None)
        if gpu is None:
            return "GPU not on the host"
        return {"lost": "GPU lost", "asleep": "GPU asleep"}.get(gpu.state, "not reported")


def add_before(cases: Sequence[Case], snapshots: Iterable[Snapshot]) -> None:
    """Add what was read before these alerts fired. Of the snapshots, from oldest to newest, one is in memory at a time."""
    found = [case.earlier() for case in cases]
    for snapshot in snapshots:
        for each in found:
            each.take(snapshot)
    for case, each in zip(cases, found, strict=True):
        case.prepend(each)


def add_stored(case: Case, stored: Callable[[Case], Earlier]) -> None:
    """Add what the history has of the time before this alert fired."""
    earlier = case.earlier()
    earlier.take_stored(stored(earlier))
    case.prepend(earlier)


def charted(rule: Rule) -> tuple[str, ...]:
    """The metrics to record for alerts of a rule."""
    kind = KINDS.get(rule.kind)
    return () if kind is None else tuple(key for key in kind.charted(rule) if key in metrics())


def _time_of(snapshot: Snapshot) -> float:
    """When its values were read, as the alerts' own times are."""
    return snapshot.time if snapshot.stale or snapshot.sampled_at is None else snapshot.sampled_at


def _gpus_of(event: Event, snapshot: Snapshot) -> list[Gpu]:
    """The alert's GPU; all of them, if it is about the host."""
    return [gpu for gpu in snapshot.gpus if event.gpu_uuid in (None, gpu.uuid)]


def _top(metric: str, event: Event, snapshot: Snapshot) -> float | None:
    field = _TOPS.get(metric)
    gpus = _gpus_of(event, snapshot) if field and event.gpu_uuid else []
    return attrgetter(field)(gpus[0]) if gpus and field else None


def _processes_then(event: Event, snapshot: Snapshot) -> tuple[tuple[GpuThen, ...], int]:
    """The GPUs of the alert with their processes, and how many of these are left out."""
    gpus = _gpus_of(event, snapshot)
    ranked = sorted([(gpu.uuid, each) for gpu in gpus for each in gpu.processes or ()], key=_rank)
    kept = ranked[:MOST_PROCESSES]
    found = tuple(
        GpuThen(
            gpu.index,
            gpu.uuid,
            None if gpu.processes is None else tuple(process for uuid, process in kept if uuid == gpu.uuid),
        )
        for gpu in gpus
    )
    return found, len(ranked) - len(kept)


def _rank(held: tuple[str, GpuProcess]) -> float:
    return -(held[1].memory_used_bytes or 0)
