"""The page of all hosts at one moment: totals, and a row a host, filtered, sorted and grouped as an address asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from django.utils.safestring import SafeString

from monitor.live.pieces import LivePage, Pieces, Value, mark_of
from monitor.telemetry.schema import Snapshot
from monitor.version import __version__
from monitor.web.components.banner import Banner
from monitor.web.components.live_pieces import LivePieces
from monitor.web.components.open_alerts import Level, level_of, speaking_up
from monitor.web.hosts.columns import COLUMNS, Column, arranged
from monitor.web.hosts.drift import drifts_of
from monitor.web.hosts.facts import HostFacts
from monitor.web.hosts.rows import HostRow
from monitor.web.hosts.totals import GroupSum, HostTotals, in_words
from monitor.web.hosts.wanted import GROUPINGS, Wanted

NO_GROUP = {"tag": "no tag", "model": "no GPU", "none": ""}


class Board:
    """Every host at one moment, made once for all pages. It shows nothing that some viewers may not see."""

    def __init__(self, hosts: Sequence[HostFacts], *, now: float) -> None:
        """`hosts`: in the order that gives them their numbers. `now`: Unix seconds."""
        self.hosts = hosts
        live = LivePieces()
        connected = sum(host.summary.is_connected for host in hosts)
        self.source = live.text("source", f"{connected} connected · hub {__version__}")
        self.totals = HostTotals(hosts, live)
        self.values: list[Value] = live.values
        drifts = drifts_of([host.summary for host in hosts])
        self.rows = {
            host.name: HostRow(place, host, drifts.get(host.name, ()), now=now) for place, host in enumerate(hosts)
        }


class Header:
    """A column's header, with the link that sorts by it."""

    def __init__(self, column: Column, wanted: Wanted) -> None:
        self.column = column
        self.query = wanted.sorted_by(column.name)
        self.direction = wanted.direction if wanted.sort == column.name else ""


class Group:
    """Hosts with one first tag, or one model."""

    def __init__(self, place: int, name: str, hosts: Sequence[HostFacts], board: Board, live: LivePieces) -> None:
        self.at = f"b{place}"
        self.name = name
        self.rows = [board.rows[host.name] for host in hosts]
        self.sum = GroupSum(place, name, hosts, live)
        self.mark = mark_of((name, *sorted([row.mark for row in self.rows])))
        for number, row in enumerate(self.rows):
            live.values += row.values_at(number)
            live.parts += row.parts

    @property
    def html(self) -> SafeString:
        """Its rows."""
        return SafeString("".join([row.html(self.name) for row in self.rows]))  # safe as they are  # nosec


class HostsPage:
    """The page for one arrangement. `snapshot`: with the open alerts, as the viewer may see them."""

    group_choices = GROUPINGS
    is_hosts = True

    def __init__(self, board: Board, wanted: Wanted, snapshot: Snapshot) -> None:
        live = LivePieces()
        live.values += board.values
        self.board = board
        self.wanted = wanted
        self.snapshot = snapshot
        self.source, self.totals = board.source, board.totals
        self.banner = Banner(snapshot, live)
        self.headers = [Header(column, wanted) for column in COLUMNS]
        self.heading = f"{len(board.hosts)} hosts"
        shown = [host for host in board.hosts if wanted.filter.matches(host)]
        shown = arranged(shown, wanted.sort, is_descending=wanted.is_descending)
        self.shown = live.text("hosts-count", in_words(shown, len(board.hosts)))
        self.is_empty = not shown
        self.title, self.level = _title(snapshot, board.hosts)
        inside = LivePieces()
        self.groups = [
            Group(place, name, hosts, board, inside)
            for place, (name, hosts) in enumerate(_grouped(shown, wanted.group))
        ]
        key = tuple([group.mark for group in self.groups])
        shown_in_table = {"headers": self.headers, "groups": self.groups}  # not the page, which holds the table
        self.table = live.part("hosts-table", key, "monitor/hosts/table.html", shown_in_table, is_rows=True)
        self.pieces = Pieces([*live.parts, *inside.parts], [*live.values, *inside.values], self.title, self.level)


def live_page(wanted: Wanted, board_at: Callable[[Snapshot], Board]) -> LivePage:
    """The live page for this arrangement. `board_at`: the board of a tick."""
    return LivePage(
        wanted.page_name,
        lambda snapshot: HostsPage(board_at(snapshot), wanted, snapshot).pieces,
        has_charts=False,
        is_of_fleet=True,
    )


def _grouped(hosts: Sequence[HostFacts], by: str) -> list[tuple[str, list[HostFacts]]]:
    """Groups in the order of their names; hosts without a tag, or without a known GPU, last."""
    groups: dict[str, list[HostFacts]] = {}
    for host in hosts:
        names = host.tags if by == "tag" else host.models if by == "model" else ("",)
        groups.setdefault(names[0] if names else NO_GROUP[by], []).append(host)
    return sorted(groups.items(), key=lambda group: (group[0] == NO_GROUP[by], group[0].casefold()))


def _title(snapshot: Snapshot, hosts: Sequence[HostFacts]) -> tuple[str, Level]:
    """The title of the browser tab, problem first, since tabs are narrow."""
    down = [host.name for host in hosts if host.state == "down"]
    loud = speaking_up(snapshot.alerts)
    level = level_of(loud)
    if down:
        return f"{down[0] if len(down) == 1 else f'{len(down)} hosts'} down · gpumon", "critical"
    if level != "ok":
        return f"{loud[0].rule} · {loud[0].host}", level
    return f"{len(hosts)} hosts · gpumon", "ok"
