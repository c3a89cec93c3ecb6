"""Sums over hosts: the totals of the page, the legend of states, and the sum of each group. Only live hosts count as known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from monitor import formats
from monitor.live.pieces import Value
from monitor.web.components.gpu_tiles import LEGEND
from monitor.web.components.live_pieces import LivePieces
from monitor.web.hosts.facts import HostFacts

_NO_READING = "No host has current readings."
_NOTHING_CURRENT = "no current readings"


class LegendEntry(NamedTuple):
    """A state, and how many GPUs have it."""

    use: str
    word: str
    number: Value


class HostTotals:
    """The totals over all hosts, and the legend."""

    def __init__(self, hosts: Sequence[HostFacts], live: LivePieces) -> None:
        known = [host for host in hosts if host.is_live]
        gpus, reporting = sum(host.gpu_count for host in hosts), sum(host.gpu_count for host in known)
        free = [(count, host.name) for host in known if (count := host.free_count)]
        free_count = sum(count for count, _ in free)
        self.free = live.text("t-f", str(free_count) if known else "—")
        self.free_on = live.text("t-fo", f"on {_hosts(len(free))}" if free else "")
        self.free_most = live.text("t-fm", _most(free))
        self.gpu_count = live.text("t-g", str(gpus))
        silent = gpus - reporting
        self.reporting = live.text("t-gr", f"{reporting} reporting" + (f", {silent} without data" if silent else ""))
        loads = [(load, host.gpu_count) for host in known if (load := host.utilization_percent) is not None]
        weights = sum(count for _, count in loads)
        mean = sum(load * count for load, count in loads) / weights if weights else None
        self.utilization = _reading(live, "t-u", mean, formats.PERCENT)
        self.utilization_meter = live.meter("t-um", mean)
        used, whole = _sums(known, lambda host: host.memory_used_bytes, lambda host: host.memory_total_bytes)
        self.memory_form = formats.memory_form(whole)
        self.memory = _reading(live, "t-m", used, self.memory_form)
        self.memory_total = live.text("t-mo", _of(whole, self.memory_form))
        self.memory_meter = live.meter("t-mm", None if used is None or not whole else min(100.0, 100.0 * used / whole))
        watts, limit = _sums(known, lambda host: host.power_watts, lambda host: host.power_limit_watts)
        self.power_form = formats.power_form(limit or watts)
        self.power = _reading(live, "t-p", watts, self.power_form)
        self.power_limit = live.text("t-po", _of(limit, self.power_form))
        self.power_meter = live.meter("t-pm", None if watts is None or not limit else min(100.0, 100.0 * watts / limit))
        hottest = max(known, key=lambda host: host.hottest_celsius or 0.0, default=None)
        self.hottest = _reading(live, "t-h", hottest.hottest_celsius if hottest else None, formats.CELSIUS)
        self.hottest_gpu = live.text("t-hg", _hottest_in_words(hottest))
        uses: Counter[str] = sum((host.uses for host in known), Counter())
        uses["unknown"] += silent
        self.legend = [LegendEntry(use, word, live.text(f"l-{use}", str(uses[use]))) for use, word in LEGEND]


class GroupSum:
    """A group's line."""

    def __init__(self, place: int, name: str, hosts: Sequence[HostFacts], live: LivePieces) -> None:
        self.name = name
        known = [host for host in hosts if host.is_live]
        gpus = sum(host.gpu_count for host in hosts)
        words = [_hosts(len(hosts)), f"{gpus} GPU{'' if gpus == 1 else 's'}"]
        words.append(f"{free_of(known)} free" if known else _NOTHING_CURRENT)
        watts, limit = _sums(known, lambda host: host.power_watts, lambda host: host.power_limit_watts)
        if watts is not None:
            words.append(formats.power_form(limit or watts).text(watts))
        self.words = live.text(f"s{place}", " · ".join(words))


def in_words(hosts: Sequence[HostFacts], all_count: int) -> str:
    """12 of 20 hosts · 4 free GPUs on 2 hosts."""
    shown = _hosts(len(hosts)) if len(hosts) == all_count else f"{len(hosts)} of {_hosts(all_count)}"
    if hosts and not any(host.is_live for host in hosts):
        return f"{shown} · {_NOTHING_CURRENT}"
    free = [host for host in hosts if host.is_live and host.free_count]
    count = free_of(free)
    return f"{shown} · {count} free GPU{'' if count == 1 else 's'}" + (f" on {_hosts(len(free))}" if free else "")


def free_of(hosts: Iterable[HostFacts]) -> int:
    """Free GPUs on these hosts."""
    return sum(host.free_count or 0 for host in hosts)


def _hosts(count: int) -> str:
    return f"{count} host{'' if count == 1 else 's'}"


def _most(free: Sequence[tuple[int, str]]) -> str:
    """Most on lab-01 and inf-03, 4 each."""
    if not free:
        return "none"
    most = max(count for count, _ in free)
    names = [name for count, name in free if count == most]
    if len(names) == 1:
        return f"most on {names[0]}, {most}"
    return f"most on {names[0]} and {names[1] if len(names) == 2 else f'{len(names) - 1} others'}, {most} each"


def _reading(live: LivePieces, name: str, value: float | None, form: formats.Form) -> Value:
    return live.dash(name, _NO_READING) if value is None else live.text(name, form.number(value))


def _of(value: float | None, form: formats.Form) -> str:
    return "—" if value is None else form.number(value)


def _sums(
    hosts: Sequence[HostFacts], part: Callable[[HostFacts], float | None], whole: Callable[[HostFacts], float | None]
) -> tuple[float | None, float | None]:
    """The sums over the hosts that report the part; the whole is unknown if one of these does not report it."""
    known = [(value, whole(host)) for host in hosts if (value := part(host)) is not None]
    wholes = [value for _, value in known if value is not None]
    if not known:
        return None, None
    return sum(value for value, _ in known), sum(wholes) if len(wholes) == len(known) else None


def _hottest_in_words(host: HostFacts | None) -> str:
    """dgx-07 GPU 5."""
    totals = host.summary.totals if host else None
    if host is None or totals is None or totals.hottest_gpu_index is None:
        return "not reported"
    return f"{host.name} GPU {totals.hottest_gpu_index}"
