"""The process table: one row for each process on each GPU, in the order and under the filter that the address asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from monitor import formats
from monitor.live.pieces import mark_of
from monitor.telemetry.schema import Gpu, GpuProcess
from monitor.web.components.live_pieces import LivePieces


class Column(NamedTuple):
    """A column of the table. `sort` is its name in the address."""

    sort: str
    title: str
    is_left: bool
    key: Callable[[Gpu, GpuProcess], Any]


COLUMNS = (
    Column("pid", "PID", False, lambda _, p: p.pid),
    Column("gpu", "GPU", False, lambda gpu, p: (gpu.index, p.mig_instance or 0)),
    Column("user", "User", True, lambda _, p: p.user),
    Column("type", "Type", True, lambda _, p: p.types),
    Column("command", "Command", True, lambda _, p: p.command or p.name),
    Column("memory", "GPU memory", False, lambda _, p: p.memory_used_bytes),
    Column("sm", "SM", False, lambda _, p: p.sm_utilization_percent),
    Column("cpu", "CPU", False, lambda _, p: p.cpu_percent),
    Column("ram", "RAM", False, lambda _, p: p.resident_memory_bytes),
    Column("container", "Container", True, lambda _, p: p.container_id),
)


class Sorting(NamedTuple):
    """What the address says: `?sort=memory&order=desc&filter=mira`."""

    column: str = ""
    is_descending: bool = False
    filter: str = ""

    @classmethod
    def of(cls, query: Any) -> Sorting:
        """From a request's GET parameters; an unknown column sorts by none."""
        column = query.get("sort", "")
        known = column if any(column == each.sort for each in COLUMNS) else ""
        return cls(known, query.get("order") == "desc", query.get("filter", "")[:200])

    def as_query(self) -> str:
        """The same as it is added to a link's query; empty where the address says nothing."""
        sort = {"sort": self.column, "order": "desc" if self.is_descending else "asc"} if self.column else {}
        given = sort | ({"filter": self.filter} if self.filter else {})
        return f"&{urlencode(given)}" if given else ""


class Row:
    """A process in its row. `at` names it: the GPU's place, the PID and the MIG instance."""

    def __init__(self, at: str, gpu: Gpu, process: GpuProcess, live: LivePieces) -> None:
        self.gpu = gpu
        self.process = process
        self.at = at
        self.types = "+".join(kind[0].upper() for kind in process.types) or "—"
        self.place = f"{gpu.index}" if process.mig_instance is None else f"{gpu.index}.{process.mig_instance}"
        self.key = (
            gpu.index, process.pid, process.started_at, process.status, process.types, process.mig_instance,
            process.name, process.command, process.user, process.container_id, process.pod_id,
        )  # fmt: skip
        self.memory = live.reading(f"{at}-m", process, "memory_used_bytes", formats.memory)
        self.sm = live.reading(f"{at}-s", process, "sm_utilization_percent", formats.PERCENT.text)
        self.sm_meter = live.meter(f"{at}-sm", process.sm_utilization_percent)
        self.cpu = live.reading(f"{at}-c", process, "cpu_percent", formats.PERCENT.text)
        self.ram = live.reading(f"{at}-r", process, "resident_memory_bytes", formats.memory)

    @property
    def mark(self) -> str:
        """Its key as the page holds it; asked for when the row is drawn."""
        return mark_of(self.key)


class ProcessTable:
    """The processes of some GPUs."""

    def __init__(self, gpus: Iterable[tuple[int, Gpu]], live: LivePieces, sorting: Sorting) -> None:
        listed = [(place, gpu, process) for place, gpu in gpus for process in gpu.processes or ()]
        rows = [
            Row(f"p{place}-{process.pid}-{'' if process.mig_instance is None else process.mig_instance}", gpu, process, live)
            for place, gpu, process in listed
        ]  # fmt: skip
        self.columns = COLUMNS
        self.sorting = sorting
        # The filter is of the key: a socket filters nothing, and brings the rows that were left out at first.
        key = (sorting.filter, *[row.key for row in rows])
        context = {"rows": arranged(rows, sorting)}
        self.rows = live.part("process-rows", key, "monitor/fragments/process_rows.html", context, is_rows=True)
        self.count = live.text("process-count", _in_words(rows))


def _in_words(rows: Sequence[Row]) -> str:
    users = {row.process.user for row in rows if row.process.user is not None}
    gpus = {row.gpu.uuid for row in rows}
    if not rows:
        return "none"
    words = f"{len(rows)} on {len(gpus)} GPU{'' if len(gpus) == 1 else 's'}"
    return f"{words} · {len(users)} user{'' if len(users) == 1 else 's'}" if users else words


def arranged(rows: Sequence[Row], sorting: Sorting) -> list[Row]:
    """The rows under the filter, sorted; what is unknown comes last, whichever way."""
    words = sorting.filter.casefold().split()
    shown = [row for row in rows if all(word in _searched(row) for word in words)]
    column = next((each for each in COLUMNS if each.sort == sorting.column), None)
    if column is None:
        return shown
    known = [row for row in shown if column.key(row.gpu, row.process) is not None]
    unknown = [row for row in shown if column.key(row.gpu, row.process) is None]
    known.sort(key=lambda row: column.key(row.gpu, row.process), reverse=sorting.is_descending)
    return [*known, *unknown]


def _searched(row: Row) -> str:
    process = row.process
    texts = (str(process.pid), process.user, process.name, process.command, process.container_id, process.pod_id)
    return " ".join(text for text in texts if text).casefold()
