"""The table of a usage report: a row each, then what nobody had, and the sum. Each column is declared once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import urlencode

from monitor import formats
from monitor.usage.reports import Report, Row, Use
from monitor.web.hosts.addresses import gpu_address
from monitor.web.usage import numbers

MOST_ROWS = 100
NOUNS = {
    "user": ("User", "users"),
    "container": ("Container", "containers"),
    "program": ("Program", "programs"),
    "command": ("Command", "commands"),
    "job": ("Job", "jobs"),
    "gpu": ("GPU", "GPUs"),
    "host": ("Host", "hosts"),
}


class Column(NamedTuple):
    """A number of a Use."""

    name: str
    title: str
    explanation: str
    text: Callable[[Use, str], str]
    """Of the use and the currency."""
    sort_key: Callable[[Use], float]
    unit: str = ""
    is_on_phones: bool = False
    has_sum: bool = True


COLUMNS = (
    Column("occupied", "Occupied", "Each holder in full", lambda use, _: numbers.hours(use.occupied_seconds),
           lambda use: use.occupied_seconds, "h"),
    Column("share", "Share", "A GPU's time, divided among its holders", lambda use, _: numbers.hours(use.share_seconds),
           lambda use: use.share_seconds, "h", is_on_phones=True),
    Column("memory", "GiB-hours", "GPU memory held × time", lambda use, _: numbers.grouped(use.gib_seconds / 3600),
           lambda use: use.gib_seconds),
    Column("sm", "Mean SM", "Mean SM time while it was occupied", lambda use, _: numbers.percent(use.mean_sm_percent),
           lambda use: -1.0 if use.mean_sm_percent is None else use.mean_sm_percent, is_on_phones=True, has_sum=False),
    Column("zero", "At 0 %".replace(" ", formats.THIN), "Of the share: at 0 % SM time",
           lambda use, _: numbers.hours(use.zero_seconds), lambda use: use.zero_seconds, "h"),
    Column("idle", "Idle-held", "Of the share: memory was held while the GPU did nothing",
           lambda use, _: numbers.hours(use.idle_held_seconds), lambda use: use.idle_held_seconds, "h", is_on_phones=True),
    Column("energy", "Energy", "By share of SM time; at least, where readings are missing",
           lambda use, _: numbers.kilowatt_hours(use.energy_joules), lambda use: use.energy_joules, "kWh"),
    Column("cost", "Cost", "By the prices in the settings", lambda use, currency: numbers.money(use.cost, currency),
           lambda use: use.cost or 0.0, is_on_phones=True),
    Column("co2", "CO₂", "By the setting for a kWh", lambda use, _: numbers.co2(use.co2_grams), lambda use: use.co2_grams or 0.0),
    Column("coverage", "Coverage", "Time for which readings show the use of its GPUs",
           lambda use, _: numbers.percent(None if use.coverage is None else 100 * use.coverage, 1),
           lambda use: use.coverage or 0.0, has_sum=False),
)  # fmt: skip
_BY_NAME = {column.name: column for column in COLUMNS}


class Heading(NamedTuple):
    column: Column
    query: str
    """Sorts by this column, or the other way round."""
    aria_sort: str


class Cell(NamedTuple):
    column: Column
    text: str
    bar: str
    """Value of the meter beside the share; empty for other columns."""
    is_notable: bool = False


class Line(NamedTuple):
    """A row as it is shown."""

    label: str
    title: str
    hue: str
    """1 to 8 or others for a user; nobody, free or unknown for the rest; empty: no swatch."""
    address: str
    """Of the page of a GPU."""
    cells: tuple[Cell | None, ...]


class UsageTable:
    def __init__(self, report: Report, query: Mapping[str, str], *, has_rows: bool, has_links: bool = True) -> None:
        """`has_rows`: the viewer may see who it was. `query`: of the address, which the headings keep. `has_links`: to the pages of
        GPUs.
        """
        self.has_links = has_links
        self.by = report.by
        self.noun, self.nouns = NOUNS[report.by]
        self.title = self.noun if self.noun.isupper() else self.noun.lower()
        self.has_rows = has_rows
        self._currency = report.prices.currency
        without = {
            *(() if report.prices.per_gpu_hour is not None or report.prices.per_kwh is not None else ("cost",)),
            *(() if report.prices.co2_grams_per_kwh is not None else ("co2",)),
        }
        self.columns = tuple([column for column in COLUMNS if column.name not in without])
        name, _, direction = query.get("sort", "").partition(":")
        self.sorted_by = name if name in _BY_NAME and name not in without else "share"
        self.is_ascending = direction == "asc" and self.sorted_by == name
        self.headings = [self._heading(column, query) for column in self.columns]
        self.most = max((row.share_seconds for row in report.rows), default=0.0)
        rows = sorted(report.rows, key=_BY_NAME[self.sorted_by].sort_key, reverse=not self.is_ascending)
        self.count = len(rows)
        self.hidden_count = max(0, len(rows) - MOST_ROWS)
        self.lines = [self._line(row) for row in rows[:MOST_ROWS]] if has_rows else []
        self.rest = list(self._rest(report))
        self.sum = self._sum(report)

    def _heading(self, column: Column, query: Mapping[str, str]) -> Heading:
        is_sorted = column.name == self.sorted_by
        turned = f"{column.name}:asc" if is_sorted and not self.is_ascending else column.name
        aria_sort = ("ascending" if self.is_ascending else "descending") if is_sorted else ""
        return Heading(column, urlencode({**query, "sort": turned}), aria_sort)

    def _line(self, row: Row) -> Line:
        hue = (str(row.hue) if row.hue else "others") if self.by == "user" else ""
        cells = tuple([self._cell(column, row, row.share_seconds) for column in self.columns])
        title = row.key if self.by == "gpu" else ""
        address = gpu_address(row.host_id or "", row.key) if self.by == "gpu" and self.has_links else ""
        return Line(row.label, title, hue, address, cells)

    def _cell(self, column: Column, use: Use, share_seconds: float) -> Cell:
        bar = f"{numbers.share(share_seconds, self.most) or 0:.0f}" if column.name == "share" else ""
        # More than half of it, and more than a day: somebody should ask.
        is_notable = column.name == "idle" and use.idle_held_seconds > max(86400.0, use.share_seconds / 2)
        return Cell(column, column.text(use, self._currency), bar, is_notable)

    def _rest(self, report: Report) -> list[Line]:
        users = () if self.has_rows else ((report.users_seconds, "in use", "", "others"),)
        unread = ", ".join(
            f"{words} {numbers.hours(seconds)}{formats.THIN}h"
            for words, seconds in (
                ("GPU lost", report.lost_seconds),
                ("no readings", report.unread_seconds),
                ("server not running" if len(report.hosts) < 2 else "no connection", report.not_recorded_seconds),
            )
            if seconds >= 36
        )
        return [
            Line(label, title, state, "", self._only_share(seconds))
            for seconds, label, title, state in (
                *users,
                (report.nobody_seconds, "held by nobody", "In use, but the driver lists no process", "nobody"),
                (report.free_seconds, "free", "No work, no memory held", "free"),
                (report.unknown_seconds, "unknown", f"No readings: {unread}" if unread else "", "unknown"),
            )
        ]

    def _only_share(self, seconds: float) -> tuple[Cell | None, ...]:
        bar = f"{numbers.share(seconds, self.most) or 0:.0f}"
        return tuple(
            [Cell(each, numbers.hours(seconds), bar) if each.name == "share" else None for each in self.columns]
        )

    def _sum(self, report: Report) -> Line:
        cells: list[Cell | None] = []
        of_all = {  # with the energy of GPUs that were free
            "energy": numbers.kilowatt_hours(report.energy_joules),
            "cost": numbers.money(report.cost, self._currency),
            "co2": numbers.co2(report.co2_grams),
        }
        for column in self.columns:
            if column.name == "share":
                cells.append(Cell(column, numbers.hours(report.gpu_seconds), ""))
            elif column.name in of_all:
                cells.append(Cell(column, of_all[column.name], ""))
            else:
                text = column.text(report.total, self._currency)
                cells.append(Cell(column, text, "") if column.has_sum else None)
        return Line("GPUs × time", "", "", "", tuple(cells))
