"""The process table: one row for each process on each GPU, sorted and filtered as the address says.

A column is one entry of COLUMNS: its header, its cell, what it sorts by and its class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from monitor import formats
from monitor.live.pieces import Value, mark_of
from monitor.telemetry.schema import Gpu, GpuProcess
from monitor.web.components.live_pieces import NOT_KNOWN, LivePieces


class Cell(NamedTuple):
    """A column's cell of one row."""

    column: Column
    value: Value
    """Live if it has a name; else it is part of the row's key."""
    meter: Value | None = None


class Column(NamedTuple):
    """A column of the table."""

    name: str
    """In the address, and in the class of the header, which may set a width."""
    title: str
    sort: Callable[[Gpu, GpuProcess], Any]
    """The sort value; None is unknown and comes last."""
    make: Callable[[LivePieces, str, Gpu, GpuProcess], tuple[Value, Value | None]]
    """The cell's value, and its meter if it has one; they are live under the given name."""
    is_left: bool = False
    css: str = ""

    def cell(self, live: LivePieces, name: str, gpu: Gpu, process: GpuProcess) -> Cell:
        """The cell for a process."""
        return Cell(self, *self.make(live, name, gpu, process))

    @property
    def cell_class(self) -> str:
        """Classes of its cells."""
        return " ".join(word for word in ("left" if self.is_left else "", self.css) if word)


def _dash(process: GpuProcess, metric: str, text: str = "—") -> Value:
    return Value("", text, (("data-unknown", ""), ("title", process.unavailable.get(metric, NOT_KNOWN))))


def fact(
    name: str,
    title: str,
    show: Callable[[Gpu, GpuProcess], Value],
    sort: Callable[[Gpu, GpuProcess], Any],
    *,
    is_left: bool = False,
    css: str = "",
) -> Column:
    """A column whose cells stay the same as long as their row does. In the browser it sorts by its text."""
    return Column(name, title, sort, lambda _live, _name, gpu, process: (show(gpu, process), None), is_left, css)


def reading(
    name: str,
    title: str,
    metric: str,
    form: Callable[[Any], str],
    *,
    has_meter: bool = False,
    data_value: Callable[[Any], str] | None = None,
) -> Column:
    """A column of a metric that changes with each reading. `data_value`: what the browser sorts by, if not by the text."""

    def make(live: LivePieces, at: str, _gpu: Gpu, process: GpuProcess) -> tuple[Value, Value | None]:
        value = live.reading(at, process, metric, form, data_value=data_value)
        return value, live.meter(f"{at}m", getattr(process, metric)) if has_meter else None

    return Column(name, title, lambda _, process: getattr(process, metric), make)


def _user(_gpu: Gpu, process: GpuProcess) -> Value:
    return _dash(process, "user") if process.user is None else Value("", process.user)


def _types(process: GpuProcess) -> str:
    return "+".join(kind[0].upper() for kind in process.types)


def _place(gpu: Gpu, process: GpuProcess) -> str:
    return f"{gpu.index}" if process.mig_instance is None else f"{gpu.index}.{process.mig_instance}"


def _command(_gpu: Gpu, process: GpuProcess) -> Value:
    if process.status == "gone":
        reason = process.unavailable.get("command", NOT_KNOWN)
        return Value("", "process gone, memory still held", (("title", reason),))
    if process.command is not None:
        return Value("", process.command, (("title", process.command),))
    if process.name is not None:
        return Value("", process.name)
    return _dash(process, "command", "hidden by PID namespace" if process.status == "hidden" else "—")


def _container(_gpu: Gpu, process: GpuProcess) -> Value:
    if process.container_id is None:
        return _dash(process, "container_id")
    pod = f", pod {process.pod_id}" if process.pod_id else ""
    return Value("", process.container_id[:12], (("title", f"{process.container_id}{pod}"),))


def _mebibytes(value: int) -> str:
    return f"{value // formats.MIB}"


COLUMNS = (
    fact("pid", "PID", lambda _, p: Value("", f"{p.pid}"), lambda _, p: p.pid),
    fact("gpu", "GPU", lambda gpu, p: Value("", _place(gpu, p)), lambda gpu, p: (gpu.index, p.mig_instance or 0)),
    fact("user", "User", _user, lambda _, p: p.user, is_left=True),
    fact("type", "Type", lambda _, p: Value("", _types(p) or "—"), lambda _, p: p.types, is_left=True),
    fact("command", "Command", _command, lambda _, p: p.command or p.name, is_left=True, css="command"),
    reading("memory", "GPU memory", "memory_used_bytes", formats.memory, data_value=_mebibytes),
    reading("sm", "SM", "sm_utilization_percent", formats.PERCENT.text, has_meter=True),
    reading("cpu", "CPU", "cpu_percent", formats.PERCENT.text),
    reading("ram", "RAM", "resident_memory_bytes", formats.memory, data_value=_mebibytes),
    fact("container", "Container", _container, lambda _, p: p.container_id, is_left=True),
)


class Sorting(NamedTuple):
    """What the address says: `?sort=memory&order=desc&filter=mira`."""

    column: str = ""
    is_descending: bool = False
    filter: str = ""

    @classmethod
    def of(cls, query: Any) -> Sorting:
        """From a request's GET parameters; an unknown column is ignored."""
        column = query.get("sort", "")
        known = column if any(column == each.name for each in COLUMNS) else ""
        return cls(known, query.get("order") == "desc", query.get("filter", "")[:200])

    def as_query(self) -> str:
        """The same as it is added to a link's query; empty where the address says nothing."""
        sort = {"sort": self.column, "order": "desc" if self.is_descending else "asc"} if self.column else {}
        given = sort | ({"filter": self.filter} if self.filter else {})
        return f"&{urlencode(given)}" if given else ""


class Row:
    """A process in its row. `at` is its id: the GPU's place, the PID and the MIG instance."""

    def __init__(
        self, at: str, gpu: Gpu, process: GpuProcess, live: LivePieces, columns: Sequence[Column] = COLUMNS
    ) -> None:
        self.gpu = gpu
        self.process = process
        self.at = at
        self.cells = [column.cell(live, f"{at}-{place}", gpu, process) for place, column in enumerate(columns)]
        facts = [cell.value for cell in self.cells if not cell.value.name]
        self.key = (process.started_at, process.status, *facts)

    @property
    def mark(self) -> str:
        """The hash of its key, which the page compares."""
        return mark_of(self.key)


class ProcessTable:
    """The processes of some GPUs."""

    def __init__(
        self,
        gpus: Iterable[tuple[int, Gpu]],
        live: LivePieces,
        sorting: Sorting,
        columns: Sequence[Column] = COLUMNS,
    ) -> None:
        listed = [(place, gpu, process) for place, gpu in gpus for process in gpu.processes or ()]
        rows = [
            Row(f"p{place}-{each.pid}-{'' if each.mig_instance is None else each.mig_instance}", gpu, each, live, columns)
            for place, gpu, each in listed
        ]  # fmt: skip
        self.columns = columns
        self.sorting = sorting
        # The key holds the filter: sockets do not filter, and bring the rows that the first response left out.
        key = (sorting.filter, *[row.key for row in rows])
        context = {"rows": arranged(rows, sorting, columns)}
        self.rows = live.part("process-rows", key, "monitor/fragments/process_rows.html", context, is_rows=True)
        self.count = live.text("process-count", _in_words(rows))


def _in_words(rows: Sequence[Row]) -> str:
    users = {row.process.user for row in rows if row.process.user is not None}
    gpus = {row.gpu.uuid for row in rows}
    if not rows:
        return "none"
    words = f"{len(rows)} on {len(gpus)} GPU{'' if len(gpus) == 1 else 's'}"
    return f"{words} · {len(users)} user{'' if len(users) == 1 else 's'}" if users else words


def arranged(rows: Sequence[Row], sorting: Sorting, columns: Sequence[Column] = COLUMNS) -> list[Row]:
    """The filtered rows, sorted; unknown values come last in both directions."""
    words = sorting.filter.casefold().split()
    shown = [row for row in rows if all(word in _searched(row) for word in words)]
    column = next((each for each in columns if each.name == sorting.column), None)
    if column is None:
        return shown
    known = [row for row in shown if column.sort(row.gpu, row.process) is not None]
    unknown = [row for row in shown if column.sort(row.gpu, row.process) is None]
    known.sort(key=lambda row: column.sort(row.gpu, row.process), reverse=sorting.is_descending)
    return [*known, *unknown]


def _searched(row: Row) -> str:
    process = row.process
    texts = (str(process.pid), process.user, process.name, process.command, process.container_id, process.pod_id)
    return " ".join(text for text in texts if text).casefold()
