"""A snapshot as the rules see it: for each subject (a GPU, a process, the host) the one value that a rule compares.

Every kind of rule is a comparison of such a column with a threshold; what differs is how its column is made. Columns
that several rules ask for are made once a tick.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

from monitor.rules.choices import THROTTLE_REASONS
from monitor.rules.making import Rule, Which
from monitor.rules.metrics import health_value, metrics
from monitor.telemetry.schema import Gpu, GpuProcess, Snapshot

HOST = ""
"""The subject of rules about the host as a whole."""
NEW_XID_SECONDS = 60.0
"""An Xid this old is new to a rule that has just begun to look."""
Memory = dict[str, Any]
"""What a rule has to remember from one reading to the next, as JSON: counters, the most GPUs seen."""


class Column:
    """Values side by side; None where a value is unknown. `gpus[i]` and `processes[i]` say what `keys[i]` is."""

    __slots__ = (
        "_highest",
        "_is_measured",
        "_lowest",
        "bases",
        "details",
        "gpus",
        "hidden_on",
        "keys",
        "processes",
        "values",
    )

    def __init__(
        self,
        keys: Sequence[str],
        values: Sequence[float | None],
        gpus: Sequence[Gpu] = (),
        processes: Sequence[GpuProcess] = (),
        bases: Sequence[float | None] = (),
        details: Sequence[Any] = (),
        hidden_on: Sequence[Gpu] = (),
    ) -> None:
        self.keys = keys
        self.values = values
        self.gpus = gpus
        self.processes = processes
        self.bases = bases
        """What each value is measured from: the GPU's own limit."""
        self.details = details
        """What a kind wants to tell besides the value."""
        self.hidden_on = hidden_on
        """GPUs whose processes are not known now: one of theirs that is missing need not have ended."""
        self._is_measured = False
        self._highest: float | None = None
        self._lowest: float | None = None

    def extreme(self, *, is_upward: bool) -> float | None:
        """The highest or the lowest value; None where none is known."""
        if not self._is_measured:
            known = [value for value in self.values if value is not None]
            if known:
                self._highest, self._lowest = max(known), min(known)
            self._is_measured = True
        return self._highest if is_upward else self._lowest

    def is_hidden(self, key: str) -> bool:
        """Whether there is no telling if this subject is still there."""
        return any(key.startswith(f"{gpu.uuid}/") for gpu in self.hidden_on)


class Tick:
    """One snapshot, with the columns made of it so far."""

    def __init__(self, snapshot: Snapshot, *, silent_seconds: float, places: dict[Any, Any]) -> None:
        self.snapshot = snapshot
        self.silent_seconds = silent_seconds
        """How long there has been no fresh reading."""
        self._columns: dict[Any, Column] = {}
        self._selected: dict[Which, tuple[Sequence[str], Sequence[Gpu]]] = {}
        self._processes: dict[Which, list[tuple[str, Gpu, GpuProcess]]] = {}
        self._places = places
        """Kept from tick to tick: which GPUs a rule is about changes with the GPUs and not with their values."""
        self._identity = tuple([(gpu.uuid, gpu.index, gpu.mig_mode) for gpu in snapshot.gpus])
        self._are_all_ok = all(gpu.state == "ok" for gpu in snapshot.gpus)

    def column(self, rule: Rule, memory: Memory) -> Column:
        """The rule's column."""
        return _MAKERS[rule.kind](self, rule, memory)

    def selected(self, which: Which) -> tuple[Sequence[str], Sequence[Gpu]]:
        """UUIDs and GPUs that a rule is about."""
        found = self._selected.get(which)
        if found is None:
            gpus = self.snapshot.gpus
            key = (which, self._identity)
            places = self._places.get(key)
            if places is None:
                if len(self._places) > 1000:
                    self._places.clear()
                chosen = [place for place, gpu in enumerate(gpus) if which.fits(gpu)]
                places = (chosen, [gpus[place].uuid for place in chosen])
                self._places[key] = places
            found = (places[1], gpus if len(places[0]) == len(gpus) else [gpus[place] for place in places[0]])
            self._selected[which] = found
        return found

    def metric(self, field: str, which: Which) -> Column:
        """A metric of the GPUs; unknown for those that do not answer now."""
        key = (field, which)
        column = self._columns.get(key)
        if column is None:
            keys, gpus = self.selected(which)
            get: Callable[[Gpu], float | None] = attrgetter(field)
            values = (
                list(map(get, gpus)) if self._are_all_ok else [get(gpu) if gpu.state == "ok" else None for gpu in gpus]
            )
            column = self._columns[key] = Column(keys, values, gpus)
        return column

    def distance(self, field: str, limit: str, which: Which) -> Column:
        """How far above its own limit each GPU is."""
        key = (field, limit, which)
        column = self._columns.get(key)
        if column is None:
            of = self.metric(field, which)
            get: Callable[[Gpu], float | None] = attrgetter(limit)
            bases = list(map(get, of.gpus))
            values = [
                None if value is None or base is None else value - base
                for value, base in zip(of.values, bases, strict=True)
            ]
            column = self._columns[key] = Column(of.keys, values, of.gpus, bases=bases)
        return column

    def processes(self, which: Which) -> list[tuple[str, Gpu, GpuProcess]]:
        """Every process of the chosen GPUs that answer, with its key."""
        found = self._processes.get(which)
        if found is None:
            _, gpus = self.selected(which)
            found = self._processes[which] = [
                (process_key(gpu, process), gpu, process)
                for gpu in gpus
                if gpu.state == "ok"
                for process in gpu.processes or ()
            ]
        return found

    def hidden_on(self, which: Which) -> list[Gpu]:
        """The chosen GPUs whose processes are not known now. On one that sleeps there are none."""
        _, gpus = self.selected(which)
        return [gpu for gpu in gpus if gpu.state == "lost" or (gpu.state == "ok" and gpu.processes is None)]

    def process_metric(self, field: str, which: Which) -> Column:
        """A metric of the processes on the GPUs."""
        key = ("process", field, which)
        column = self._columns.get(key)
        if column is None:
            found = self.processes(which)
            values = [getattr(process, field) for _, _, process in found]
            column = self._columns[key] = self.of_processes(found, values, which)
        return column

    def of_processes(
        self, found: list[tuple[str, Gpu, GpuProcess]], values: Sequence[float | None], which: Which
    ) -> Column:
        """Some of `processes(which)` with a value each."""
        return Column(
            [key for key, _, _ in found],
            values,
            [gpu for _, gpu, _ in found],
            [process for _, _, process in found],
            hidden_on=self.hidden_on(which),
        )


def process_key(gpu: Gpu, process: GpuProcess) -> str:
    """A process on a GPU. PIDs are used again: its start tells two apart. Of a dead one that is known for a while only."""
    is_told_apart = process.started_at is not None and process.status != "gone"
    started = f"/{process.started_at:.0f}" if is_told_apart else ""
    instance = "" if process.mig_instance is None else f"/mig{process.mig_instance}"
    return f"{gpu.uuid}/{process.pid}{instance}{started}"


def _threshold(tick: Tick, rule: Rule, _memory: Memory) -> Column:
    metric = metrics()[rule.metric]
    if metric.of == "gpu":
        if rule.relative_to:
            return tick.distance(metric.field, rule.relative_to, rule.which)
        return tick.metric(metric.field, rule.which)
    if metric.of == "process":
        return tick.process_metric(metric.field, rule.which)
    if metric.of == "system":
        system = tick.snapshot.system
        return Column([HOST], [None if system is None else getattr(system, metric.field)])
    return Column([HOST], [health_value(tick.snapshot, metric.field)])


def _stale(tick: Tick, _rule: Rule, memory: Memory) -> Column:
    """A host that never showed a GPU has nothing that could fall silent."""
    snapshot = tick.snapshot
    if snapshot.sampled_at is not None and not snapshot.stale:
        memory["has_had_data"] = True
    if not memory.get("has_had_data"):
        return Column([HOST], [None])
    # A reading is called stale some seconds after it was due: those count too, where its age is known.
    age = snapshot.age_seconds if snapshot.stale else None
    return Column([HOST], [max(tick.silent_seconds, age or 0.0)])


def _gpu_lost(tick: Tick, rule: Rule, _memory: Memory) -> Column:
    keys, gpus = tick.selected(rule.which)
    return Column(keys, [1.0 if gpu.state == "lost" else 0.0 for gpu in gpus], gpus)


def _gpu_count_fell(tick: Tick, rule: Rule, memory: Memory) -> Column:
    count = sum(gpu.state != "lost" for gpu in tick.selected(rule.which)[1])
    most = max(memory.get("most", 0), count)
    memory["most"] = most
    return Column([HOST], [float(most - count)], details=[(count, most)])


def _xid(tick: Tick, rule: Rule, memory: Memory) -> Column:
    """Each code on each GPU is a subject: one error must not hide another that comes while its alert is open.

    New is what was reported later than the last time this code was seen; a list that is empty again began anew.
    To a rule that sees a GPU for the first time, since it was made or edited just now, what was reported long ago is not new.
    """
    found: list[tuple[str, float | None, Gpu, int | None]] = []
    for gpu in tick.selected(rule.which)[1]:
        known: dict[str, float] = memory.get(gpu.uuid, {})
        # A GPU without any Xid is seen to have none.
        found.append((gpu.uuid, None if gpu.xids is None else 0.0, gpu, None))
        if gpu.xids is None:
            found += [(f"{gpu.uuid}/xid{code}", None, gpu, int(code)) for code in known]
            continue
        before = 0.0 if gpu.uuid in memory else tick.snapshot.time - NEW_XID_SECONDS
        last = {**dict.fromkeys(known, 0.0), **{str(xid.code): xid.last_at for xid in gpu.xids}}
        memory[gpu.uuid] = last
        found += [
            (f"{gpu.uuid}/xid{code}", float(last_at > known.get(code, before)), gpu, int(code))
            for code, last_at in last.items()
            if int(code) not in rule.ignored_xids
        ]
    keys, values, gpus, codes = zip(*found, strict=True) if found else ((), (), (), ())
    return Column(keys, values, gpus, details=codes)


def _rise(tick: Tick, rule: Rule, memory: Memory) -> Column:
    """A counter that is lower than before was reset: from there it rises anew."""
    column = tick.metric(metrics()[rule.metric].field, rule.which)
    values: list[float | None] = []
    for key, value in zip(column.keys, column.values, strict=True):
        if value is None:
            values.append(None)
            continue
        before = memory.get(key, value)
        memory[key] = value
        values.append(max(0.0, value - before))
    return Column(column.keys, values, column.gpus, details=column.values)


def _throttled(tick: Tick, rule: Rule, _memory: Memory) -> Column:
    wanted = THROTTLE_REASONS.get(rule.throttle) or frozenset().union(*THROTTLE_REASONS.values())
    keys, gpus = tick.selected(rule.which)
    values: list[float | None] = []
    details: list[Any] = []
    for gpu in gpus:
        reasons = gpu.clock_event_reasons
        found = () if reasons is None else tuple(reason for reason in reasons if reason in wanted)
        details.append(found)
        values.append(None if reasons is None or gpu.state != "ok" else float(bool(found)))
    return Column(keys, values, gpus, details=details)


def _several_users(tick: Tick, rule: Rule, _memory: Memory) -> Column:
    """Where not every process's user is known, those that are may be enough; fewer say nothing."""
    keys, gpus = tick.selected(rule.which)
    users = [sorted({process.user for process in gpu.processes or () if process.user is not None}) for gpu in gpus]
    values: list[float | None] = []
    for gpu, names in zip(gpus, users, strict=True):
        is_known = gpu.processes is not None and gpu.state == "ok"
        is_whole = all(process.user is not None or process.status == "gone" for process in gpu.processes or ())
        values.append(float(len(names)) if is_known and (is_whole or len(names) >= rule.threshold) else None)
    return Column(keys, values, gpus, details=users)


def _idle_held(tick: Tick, rule: Rule, _memory: Memory) -> Column:
    """Processes that hold enough; one that lets go of it is no longer among the subjects."""
    found = [each for each in tick.processes(rule.which) if _may_hold(each[2], rule)]
    values = [
        None
        if gpu.utilization_percent is None or process.memory_used_bytes is None
        else float(gpu.utilization_percent <= rule.idle_percent)
        for _, gpu, process in found
    ]
    return tick.of_processes(found, values, rule.which)


def _process_gone(tick: Tick, rule: Rule, _memory: Memory) -> Column:
    found = [each for each in tick.processes(rule.which) if each[2].status == "gone" and _may_hold(each[2], rule)]
    values = [None if process.memory_used_bytes is None else 1.0 for _, _, process in found]
    return tick.of_processes(found, values, rule.which)


def _may_hold(process: GpuProcess, rule: Rule) -> bool:
    """Whether it holds as much as the rule asks for, or nobody knows how much."""
    return process.memory_used_bytes is None or process.memory_used_bytes >= rule.held_memory_bytes


_MAKERS: dict[str, Callable[[Tick, Rule, Memory], Column]] = {
    "threshold": _threshold,
    "stale": _stale,
    "gpu_lost": _gpu_lost,
    "gpu_count_fell": _gpu_count_fell,
    "xid": _xid,
    "rise": _rise,
    "throttled": _throttled,
    "several_users": _several_users,
    "idle_held": _idle_held,
    "process_gone": _process_gone,
}


def is_of_host(rule: Rule) -> bool:
    """Whether the rule goes on while the readings of the GPUs are stale: it is about the host, or about just that."""
    return rule.kind == "stale" or (rule.kind == "threshold" and metrics()[rule.metric].of in ("system", "health"))
