"""A snapshot as rules see it: a column with one value for each subject (a GPU, a process, the host).

Every rule compares such a column with a threshold; its kind (rules/kinds/) says how the column is made. Columns that
several rules need are made once per tick.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

from monitor.rules.host_contact import HostContact
from monitor.rules.rule import Which
from monitor.telemetry.schema import Gpu, GpuProcess, Snapshot

HOST = ""
"""The subject of rules about the host as a whole."""
Memory = dict[str, Any]
"""What a rule must remember from one reading to the next, as JSON: counters, the most GPUs seen."""


class HostName(NamedTuple):
    """The host that a tick or an alert is about."""

    name: str
    host_id: str | None
    """Of a host whose agent has joined; None: the host that the server runs on."""


class Column:
    """One value per subject, None if unknown. `gpus[i]` and `processes[i]` belong to the subject `keys[i]`."""

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
        """The GPU limit that each value is an offset from."""
        self.details = details
        """More about each subject, for the kind's words."""
        self.hidden_on = hidden_on
        """GPUs whose process list is unavailable; a missing process may still be running."""
        self._is_measured = False
        self._highest: float | None = None
        self._lowest: float | None = None

    def extreme(self, *, is_upward: bool) -> float | None:
        """The highest or lowest value; None if no value is known."""
        if not self._is_measured:
            known = [value for value in self.values if value is not None]
            if known:
                self._highest, self._lowest = max(known), min(known)
            self._is_measured = True
        return self._highest if is_upward else self._lowest

    def is_hidden(self, key: str) -> bool:
        """Whether this subject may still exist although it is not in the column."""
        return any(key.startswith(f"{gpu.uuid}/") for gpu in self.hidden_on)


class Tick:
    """One snapshot and the columns made from it so far."""

    def __init__(
        self,
        snapshot: Snapshot,
        *,
        silent_seconds: float,
        places: dict[Any, Any],
        host_id: str | None = None,
        contacts: Mapping[str, HostContact] | None = None,
    ) -> None:
        self.snapshot = snapshot
        self.host = HostName(snapshot.host, host_id)
        self.contacts = contacts
        """The other hosts by their ids; None if they are not known here."""
        self.silent_seconds = silent_seconds
        """Time since the last fresh reading."""
        self._columns: dict[Any, Column] = {}
        self._selected: dict[Which, tuple[Sequence[str], Sequence[Gpu]]] = {}
        self._processes: dict[Which, list[tuple[str, Gpu, GpuProcess]]] = {}
        self._places = places
        """Kept between ticks: which GPUs a rule selects depends on the GPUs, not on their values."""
        self._identity = tuple([(gpu.uuid, gpu.index, gpu.mig_mode) for gpu in snapshot.gpus])
        self._are_all_ok = all(gpu.state == "ok" for gpu in snapshot.gpus)

    def selected(self, which: Which) -> tuple[Sequence[str], Sequence[Gpu]]:
        """UUIDs and GPUs that a rule applies to."""
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
        """A metric of the GPUs; unknown for those that do not respond now."""
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
        """How far each GPU is above its own limit."""
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
        """Every process of the selected GPUs that respond, with its key."""
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
        """The selected GPUs whose process list is unavailable. A sleeping GPU has no processes."""
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
        """A column of some of `processes(which)`, with a value each."""
        return Column(
            [key for key, _, _ in found],
            values,
            [gpu for _, gpu, _ in found],
            [process for _, _, process in found],
            hidden_on=self.hidden_on(which),
        )


def process_key(gpu: Gpu, process: GpuProcess) -> str:
    """The subject key of a process on a GPU. PIDs are reused, so the key has the start time, which a dead process soon lacks."""
    has_start = process.started_at is not None and process.status != "gone"
    started = f"/{process.started_at:.0f}" if has_start else ""
    instance = "" if process.mig_instance is None else f"/mig{process.mig_instance}"
    return f"{gpu.uuid}/{process.pid}{instance}{started}"
