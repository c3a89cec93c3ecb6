"""A host as a row: its live values, made once a tick for every page that shows it."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

from django.template.loader import get_template
from django.urls import get_script_prefix
from django.utils.safestring import SafeString

from monitor import formats
from monitor.fleet.host_summary import GpuSummary, GpuUseOrState
from monitor.live.elements import Outline, Outlines
from monitor.live.pieces import Part, Value, mark_of
from monitor.telemetry.schema import Alert
from monitor.version import __version__
from monitor.web.components.gpu_tiles import STATES as WORDS
from monitor.web.components.live_pieces import LivePieces
from monitor.web.components.open_alerts import level_of
from monitor.web.hosts.addresses import host_address, host_of_addresses
from monitor.web.hosts.drift import Drift
from monitor.web.hosts.facts import HostFacts

MOST_CELLS = 32
"""GPUs drawn of a host; a number says how many more there are."""
_MOST_OFFSET_SECONDS = 2.0
_SHOWN_USES = ("busy", "held", "mig", "asleep", "lost", "unknown")
"""In words; free GPUs have a column of their own."""
_OUTLINES = Outlines(2048)
"""Of the rows on all pages: those of a thousand hosts, in two groupings."""


class Chip(NamedTuple):
    """A mark beside a host's name."""

    text: str
    level: str = ""
    title: str = ""


class HostRow:
    """`place` is the host's number on every page: values have their names from it."""

    def __init__(self, place: int, host: HostFacts, drifts: Sequence[Drift] = (), *, now: float) -> None:
        """`now`: Unix seconds."""
        live = LivePieces()
        at = self.at = f"h{place}"
        self.host = host
        self.name, self.tags, self.model = host.name, host.tags, host.model or "—"
        summary = host.summary
        self._key = (place, summary.host_id, host.name, host.tags, host.model, host.gpu_count)
        self._html: dict[tuple[str, str], SafeString] = {}
        self.state = live.state(at, data_state=host.state)
        chips = tuple(_chips(host, drifts))
        self.chips = Part(f"{at}-x", chips, functools.partial(_chips_html, chips))
        words, free = _in_words(host), host.free_count
        titles = (
            "\n".join(
                [
                    _of_gpu(gpu.index, gpu.use, gpu.utilization_percent, gpu.temperature_celsius)
                    for gpu in host.gpus[:MOST_CELLS]
                ]
            )
            if host.state in ("live", "stale")
            else words
        )
        self.gpus = live.state(
            f"{at}-c", title=titles, aria_label=f"{host.name}: {words}" + (f", {free} free" if free else "")
        )
        self.cells = [_cell(live, f"{at}c{number}", gpu, host) for number, gpu in enumerate(host.gpus[:MOST_CELLS])]
        self.more = max(0, host.gpu_count - MOST_CELLS)
        self.words = live.text(f"{at}-s", words)
        self._why = why = summary.stale_reason or "not reported"
        self.free = (
            live.dash(f"{at}-f", why) if free is None else live.text(f"{at}-f", str(free), ("data-count", str(free)))
        )
        self.utilization = self._reading(live, "u", host.utilization_percent, formats.PERCENT)
        self.meter = live.meter(f"{at}-um", host.utilization_percent)
        used, whole = host.memory_used_bytes, host.memory_total_bytes
        form = formats.memory_form(whole)
        if used is None or whole is None:
            self.memory = live.dash(f"{at}-m", why)
        else:
            text = f"{_short(form, used)} / {_short(form, whole)}{formats.THIN}{form.unit}"
            self.memory = live.text(f"{at}-m", text)
        self.hottest = self._reading(live, "t", host.hottest_celsius, formats.CELSIUS)
        self.power = self._reading(live, "p", host.power_watts, formats.power_form(host.power_limit_watts))
        self.alerts = _alerts(live, f"{at}-a", host.alerts)
        self.age = _age(live, f"{at}-g", host, now)
        self.values: list[Value] = live.values
        self.parts: list[Part] = [self.chips]

    def _reading(self, live: LivePieces, letter: str, value: float | None, form: formats.Form) -> Value:
        name = f"{self.at}-{letter}"
        return live.dash(name, self._why) if value is None else live.text(name, form.text(value))

    def values_at(self, number: int) -> list[Value]:
        """Its values where it is the row of this number in its group, which the page's script sorts by."""
        state = Value(self.state.name, self.state.text, (*self.state.attributes, ("data-place", str(number))))
        return [state, *[value for value in self.values if value is not self.state]]

    @property
    def mark(self) -> str:
        """The digest of its key."""
        return mark_of(self._key)

    def html(self, group: str) -> SafeString:
        """The row in the group of this name. Its template is rendered once for a structure, and filled once a tick for all."""
        address, prefix = host_of_addresses(self.host.summary), get_script_prefix()
        shown = group, prefix
        if shown not in self._html:

            def render(outline: Outline) -> str:
                tags = [tag for tag in self.tags if tag != group]
                context = {"row": self, "tags": tags, "address": host_address(address), "outline": outline}
                return get_template("monitor/hosts/row.html").render(context).strip()

            pieces: dict[str, Value | Part] = {value.name: value for value in self.values}
            pieces[self.chips.name] = self.chips
            outline = _OUTLINES.outline((self._key, address, *shown), render)
            self._html[shown] = SafeString(outline.filled(pieces))  # the template escapes its values  # nosec
        return self._html[shown]


@functools.lru_cache(maxsize=256)
def _chips_html(chips: tuple[Chip, ...]) -> str:
    return get_template("monitor/hosts/chips.html").render({"chips": chips}).strip() if chips else ""


def _short(form: formats.Form, value: float) -> str:
    """Whole GiB: a host has hundreds."""
    return f"{value / form.scale:.0f}" if form.unit == "GiB" else form.number(value)


def _cell(live: LivePieces, name: str, gpu: GpuSummary, host: HostFacts) -> Value:
    use = gpu.use if host.state in ("live", "stale") else "unknown"
    load = gpu.utilization_percent
    heat = f"{round(load / 10)}" if use == "busy" and load is not None else ""
    level = level_of([alert for alert in host.alerts if alert.gpu_uuid == gpu.uuid]) if host.alerts else "ok"
    return live.text(name, "", *_cell_attributes(use, heat, "" if level == "ok" else level))


@functools.lru_cache(maxsize=256)
def _cell_attributes(use: str, heat: str, level: str) -> tuple[tuple[str, str], ...]:
    return ("data-use", use), ("data-heat", heat), ("data-alert", level)


@functools.lru_cache(maxsize=16_384)
def _of_gpu(index: int, use: GpuUseOrState, load: float | None, celsius: float | None) -> str:
    """GPU 3: busy 91 %, 66 °C. Most hosts' GPUs show the same few thousand of these again and again."""
    words = [f"GPU {index}: {WORDS[use]}"]
    if load is not None:
        words[0] += f" {formats.PERCENT.text(load)}"
    if celsius is not None:
        words.append(formats.CELSIUS.text(celsius))
    return ", ".join(words)


def _in_words(host: HostFacts) -> str:
    """5 busy · 3 idle-held."""
    if host.state in ("down", "off"):
        return "no data"
    if host.summary.gpu_count is None:
        return "no reading yet"
    counts = [f"{host.uses[use]} {WORDS[use]}" for use in _SHOWN_USES if host.uses[use]]
    return " · ".join(counts) or ("no GPU" if not host.gpus else "all free")


def _chips(host: HostFacts, drifts: Sequence[Drift]) -> list[Chip]:
    summary, chips = host.summary, []
    why = summary.stale_reason or ""
    if host.state == "down":
        age = summary.age_seconds
        lasting = f" {formats.rough_duration(age)}" if age is not None and age >= 60 else ""
        chips.append(Chip(f"Down{lasting}", "critical", why))
    elif host.state == "off":
        chips.append(Chip("Off", "", f"{why} It may be off."))
    elif host.state == "stale":
        chips.append(Chip("Stale", "warning", why))
    offset = summary.clock_offset_seconds
    if offset is not None and abs(offset) >= _MOST_OFFSET_SECONDS:
        chips.append(
            Chip(
                f"clock {offset:+.1f}{formats.THIN}s", "warning", summary.problem or "Its clock differs from the hub's."
            )
        )
    elif summary.problem:
        chips.append(Chip("Problem", "warning", summary.problem))
    if summary.agent_version not in (None, __version__):
        text = f"agent {summary.agent_version}, hub {__version__}"
        chips.append(
            Chip(text, "info", "Works: versions that differ a little understand each other. Update the older one.")
        )
    return chips + [Chip(drift.text, "warning", drift.title) for drift in drifts]


def _alerts(live: LivePieces, name: str, alerts: Sequence[Alert]) -> Value:
    return live.text(name, str(len(alerts)), ("data-level", level_of(alerts) if alerts else ""))


def _age(live: LivePieces, name: str, host: HostFacts, now: float) -> Value:
    """Of its readings; of a host that the hub has not heard since its start, since it was last seen."""
    summary = host.summary
    level = {"down": "critical", "stale": "warning"}.get(host.state, "")
    age = summary.age_seconds
    if age is not None:
        age += summary.reading_age_seconds or 0.0
    elif summary.last_seen_at is not None:
        age = max(0.0, now - summary.last_seen_at)
    if age is None:
        return live.text(
            name, "—", ("data-level", level), ("data-unknown", ""), ("title", host.summary.stale_reason or "")
        )
    text = formats.rough_duration(age) if age >= 60 else f"{max(1, math.ceil(age))}{formats.THIN}s"
    return live.text(name, text, ("data-level", level))
