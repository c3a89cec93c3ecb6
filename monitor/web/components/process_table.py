"""The process table: one row for each process on each GPU, sorted and filtered as the address says.

A column is one entry of COLUMNS: its header, its cell, what it sorts by and its class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from monitor import formats
from monitor.live.pieces import Value, mark_of
from monitor.telemetry.schema import Gpu, GpuProcess
from monitor.web.components.live_pieces import NOT_KNOWN, LivePieces
from monitor.web.components.process_filter import filter_for_user, matches, place_of, terms_of


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
    """A column whose cells stay the same as long as their row does."""
    return Column(name, title, sort, lambda _live, _name, gpu, process: (show(gpu, process), None), is_left, css)


def reading(
    name: str,
    title: str,
    metric: str,
    form: Callable[[Any], str],
    *,
    has_meter: bool = False,
    css: str = "",
) -> Column:
    """A column of a metric that changes with each reading."""

    def make(live: LivePieces, at: str, _gpu: Gpu, process: GpuProcess) -> tuple[Value, Value | None]:
        value = live.reading(at, process, metric, form)
        return value, live.meter(f"{at}m", getattr(process, metric)) if has_meter else None

    return Column(name, title, lambda _, process: getattr(process, metric), make, css=css)


def _user(_gpu: Gpu, process: GpuProcess) -> Value:
    return _dash(process, "user") if process.user is None else Value("", process.user)


def _types(process: GpuProcess) -> str:
    return "+".join(kind[0].upper() for kind in process.types)


def _command(_gpu: Gpu, process: GpuProcess) -> Value:
    if process.status == "gone":
        reason = process.unavailable.get("command", NOT_KNOWN)
        return Value("", "process gone, memory still held", (("title", reason),))
    if process.command is not None:
        return Value("", process.command)
    if process.name is not None:
        return Value("", process.name)
    return _dash(process, "command", "hidden by PID namespace" if process.status == "hidden" else "—")


def _placement(process: GpuProcess) -> str | None:
    """The container by name, else by the start of its id, and the job; None outside of both."""
    container = process.container_name or (process.container_id or "")[:12]
    job = process.job_id and f"job {process.job_id}"
    return " · ".join(part for part in (container, job) if part) or None


def _container(_gpu: Gpu, process: GpuProcess) -> Value:
    shown = _placement(process)
    if shown is None:
        return _dash(process, "container_id")
    pod = process.pod_name or process.pod_id
    known = (
        process.container_name,
        process.container_id,
        pod and f"pod {pod}",
        process.job_id and f"job {process.job_id}",
    )
    return Value("", shown, (("title", ", ".join(part for part in known if part)),))


COLUMNS = (
    fact("user", "User", _user, lambda _, p: p.user, is_left=True, css="user"),
    fact(
        "gpu",
        "GPU",
        lambda gpu, p: Value("", place_of(gpu, p)),
        lambda gpu, p: (gpu.index, p.mig_instance or 0),
        css="place",
    ),
    fact("command", "Command", _command, lambda _, p: p.command or p.name, is_left=True, css="command"),
    reading("memory", "GPU memory", "memory_used_bytes", formats.memory, css="memory"),
    reading("sm", "SM", "sm_utilization_percent", formats.PERCENT.text, has_meter=True, css="sm"),
    reading("cpu", "CPU", "cpu_percent", formats.PERCENT.text),
    reading("ram", "RAM", "resident_memory_bytes", formats.memory),
    fact("container", "Container, job", _container, lambda _, p: _placement(p), is_left=True),
    fact("type", "Type", lambda _, p: Value("", _types(p) or "—"), lambda _, p: p.types, is_left=True),
    fact("pid", "PID", lambda _, p: Value("", f"{p.pid}"), lambda _, p: p.pid),
)
"""Those with a class stay on a phone, where a row has two lines (processes.css)."""


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


class Heading(NamedTuple):
    """The head of a column: a link that sorts by it, or turns its order around."""

    name: str
    title: str
    css: str
    query: str
    """What the link says of the order: `sort=memory&order=asc`."""
    aria_sort: str
    """Empty if the rows are in another order."""


def heading(column: Column, sorting: Sorting) -> Heading:
    """The head of a column in a table that is sorted like this."""
    is_sorted = sorting.column == column.name
    order = "desc" if is_sorted and not sorting.is_descending else "asc"
    now = ("descending" if sorting.is_descending else "ascending") if is_sorted else ""
    css = f"column-{column.name}{' left' if column.is_left else ''}"
    return Heading(column.name, column.title, css, f"sort={column.name}&order={order}", now)


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


class UserTotal(NamedTuple):
    """What one user's processes hold, over the table."""

    user: str
    filter: str
    """In the address, for this user's rows."""
    held: Value


class ProcessTable:
    """The processes of some GPUs, and the totals by user where they are of several GPUs."""

    def __init__(
        self,
        gpus: Sequence[tuple[int, Gpu]],
        live: LivePieces,
        sorting: Sorting,
        columns: Sequence[Column] = COLUMNS,
    ) -> None:
        listed = [(place, gpu, process) for place, gpu in gpus for process in gpu.processes or ()]
        rows = [
            Row(f"p{place}-{each.pid}-{'' if each.mig_instance is None else each.mig_instance}", gpu, each, live, columns)
            for place, gpu, each in listed
        ]  # fmt: skip
        shown = arranged(rows, sorting, columns)
        self.headings = [heading(column, sorting) for column in columns]
        self.sorting = sorting
        # The key holds the filter: sockets do not filter, and bring the rows that the first response left out.
        key = (sorting.filter, *[row.key for row in rows])
        order = (tuple([column.name for column in columns]), *[row.at for row in shown])
        self.rows = live.part(
            "process-rows",
            key,
            "monitor/fragments/process_rows.html",
            {"rows": shown},
            is_rows=True,
            outline_key=order,
        )
        self.shown = f"{len(shown)} of " if len(shown) < len(rows) else ""
        self.count = live.text("process-count", _in_words(rows))
        totals = _totals_by_user(rows, live) if len(gpus) > 1 else []
        users = tuple(total.user for total in totals)
        self.users = live.part(
            "users",
            users,
            "monitor/fragments/process_users.html",
            {"totals": totals},
            is_around=True,
            outline_key=(),
        )


def _totals_by_user(rows: Sequence[Row], live: LivePieces) -> list[UserTotal]:
    """In the order of their first GPU, which changes less than what they hold."""
    of: dict[str, list[Row]] = {}
    for row in rows:
        if row.process.user is not None:
            of.setdefault(row.process.user, []).append(row)
    return [
        UserTotal(user, urlencode({"filter": filter_for_user(user)}), live.text(f"user-{place}", _held_in_words(owned)))
        for place, (user, owned) in enumerate(of.items())
    ]


def _held_in_words(rows: Sequence[Row]) -> str:
    """4 GPUs · 283.7 GiB. At least that much where the memory of a process is unknown."""
    memory = [row.process.memory_used_bytes for row in rows]
    known = [each for each in memory if each is not None]
    least = "" if len(known) == len(memory) else "≥ "
    held = f" · {least}{formats.memory(sum(known))}" if known else ""
    return f"{_counted(len({row.gpu.uuid for row in rows}), 'GPU')}{held}"


def _in_words(rows: Sequence[Row]) -> str:
    users = {row.process.user for row in rows if row.process.user is not None}
    if not rows:
        return "none"
    words = f"{len(rows)} on {_counted(len({row.gpu.uuid for row in rows}), 'GPU')}"
    return f"{words} · {_counted(len(users), 'user')}" if users else words


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def arranged(rows: Sequence[Row], sorting: Sorting, columns: Sequence[Column] = COLUMNS) -> list[Row]:
    """The filtered rows, sorted; unknown values come last in both directions."""
    terms = terms_of(sorting.filter)
    shown = [row for row in rows if matches(terms, row.gpu, row.process)]
    column = next((each for each in columns if each.name == sorting.column), None)
    if column is None:
        return shown
    known = [row for row in shown if column.sort(row.gpu, row.process) is not None]
    unknown = [row for row in shown if column.sort(row.gpu, row.process) is None]
    known.sort(key=lambda row: column.sort(row.gpu, row.process), reverse=sorting.is_descending)
    return [*known, *unknown]
