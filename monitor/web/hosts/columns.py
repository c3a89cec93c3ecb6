"""The columns of the page of hosts: their headers, and what they sort by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from monitor.web.hosts.facts import HostFacts

_STATE_ORDER = {"down": 0, "stale": 1, "live": 2, "off": 3}


class Column(NamedTuple):
    """A column of the table."""

    name: str
    """In the address, and in the class of its cells."""
    title: str
    sort: Callable[[HostFacts], float | str | tuple[float, ...] | None]
    """The sort value; None is unknown and comes last."""
    is_left: bool = False
    is_secondary: bool = False
    """Not on small screens."""

    @property
    def css(self) -> str:
        """Classes of its header, as of its cells."""
        return " ".join(
            [f"column-{self.name}", *(["left"] if self.is_left else []), *(["secondary"] if self.is_secondary else [])]
        )


COLUMNS = (
    Column("host", "Host", lambda host: host.name.casefold(), is_left=True),
    Column("model", "Model", lambda host: host.model.casefold(), is_left=True, is_secondary=True),
    Column("gpus", "GPUs", lambda host: host.gpu_count, is_left=True),
    Column("free", "Free", lambda host: host.free_count),
    Column("state", "State", lambda host: (_STATE_ORDER[host.state], -host.uses["busy"]), is_left=True),
    Column("utilization", "Utilization", lambda host: host.utilization_percent, is_secondary=True),
    Column("memory", "Memory", lambda host: host.memory_percent, is_secondary=True),
    Column("hottest", "Hottest", lambda host: host.hottest_celsius),
    Column("power", "Power", lambda host: host.power_watts, is_secondary=True),
    Column("alerts", "Alerts", lambda host: host.alert_count, is_secondary=True),
    Column("age", "Age", lambda host: host.summary.age_seconds),
)
_BY_NAME: Mapping[str, Column] = {column.name: column for column in COLUMNS}


def is_column(name: str) -> bool:
    """Whether there is a column of this name."""
    return name in _BY_NAME


def arranged(hosts: Sequence[HostFacts], column: str, *, is_descending: bool) -> list[HostFacts]:
    """The hosts by this column, unknown values last; equal ones stay as they are."""
    sort = _BY_NAME[column].sort
    known = [(value, host) for host in hosts if (value := sort(host)) is not None]
    known.sort(key=lambda pair: pair[0], reverse=is_descending)
    return [host for _, host in known] + [host for host in hosts if sort(host) is None]
