"""A frame: one snapshot and the bytes made of it, each kind at most once and only when somebody wants it.

A page is drawn by its templates; what is live of it has names. A *value* is a text (and attributes) inside an element,
made from the snapshot by a table and never by a template: a tick with nothing but new numbers draws no HTML. A *part*
is an element's whole content, drawn by its template, and only when its key differs: GPUs that come and go, chips, rows.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Callable, Hashable, Iterable, Sequence
from html import escape
from typing import Literal, NamedTuple

import msgspec

from monitor.live.series import Columns, Series
from monitor.telemetry.redaction import without_details
from monitor.telemetry.schema import Snapshot


class Value(NamedTuple):
    """What stands in the element `name`: its text and those of its attributes that change with it."""

    name: str
    text: str
    attributes: tuple[tuple[str, str], ...] = ()


def mark_of(key: Hashable) -> str:
    """A key as the page holds it, to tell what it has from what it has not."""
    return f"{zlib.crc32(repr(key).encode()):08x}"


class Part(NamedTuple):
    """The content of the element `name`, replaced when `key` changes."""

    name: str
    key: Hashable
    """What decides the structure of the content; values in it are none of it."""
    draw: Callable[[], str]
    is_rows: bool = False
    """A list of elements with ids: those that stay are kept as they are, so that focus and selection survive."""

    @property
    def mark(self) -> str:
        """Its key as the page holds it."""
        return mark_of(self.key)


class Pieces(NamedTuple):
    """Everything live on one page at one snapshot. A part comes before the parts within it."""

    parts: Sequence[Part]
    values: Sequence[Value]
    title: str
    """Of the browser's tab: leads with the trouble where there is one."""
    level: Literal["ok", "warning", "critical"]


class View(NamedTuple):
    """One kind of page, as the pages define it."""

    name: str
    """Distinct: clients with the same name share bytes, if the same may be told to them."""
    pieces: Callable[[Snapshot], Pieces]
    gpu: str | None = None
    """UUID of the GPU whose charts the page shows; None for the sparklines of all."""
    has_charts: bool = True
    """A page without any gets no points."""
    has_details: bool = True
    """Whether it says who runs what; the same page without is another view, for people who are not known."""

    def without_details(self) -> View:
        """The same page for people who may not know who runs what."""
        return self._replace(has_details=False)


class PageMessage(msgspec.Struct, frozen=True, kw_only=True):
    """What `/ws/dashboard` sends. htmx takes `content`; the scripts of the page read the rest."""

    kind: Literal["full", "delta"]
    version: str
    """Of the running server: a page made by another one should be loaded anew."""
    seq: int
    time: float
    sampled_at: float | None
    stale: bool
    age_seconds: float | None
    stale_reason: str | None
    poll_interval_seconds: float | None
    title: str
    level: Literal["ok", "warning", "critical"]
    content: str
    """`<hx-part id=… key=…>` gives an element other content, `<hx-set>` in one object all texts and attributes: an element
    for each would be most of the message, and of the page's work."""
    points: Columns


_encoder = msgspec.json.Encoder()


def as_html(parts: Iterable[tuple[Part, str]], values: Iterable[Value]) -> str:
    """Parts with their HTML, then values, as the page's htmx extension takes them (static/js/pieces.js)."""
    chunks = [
        f'<hx-{"rows" if part.is_rows else "part"} id="{part.name}" key="{part.mark}">{html}'
        f"</hx-{'rows' if part.is_rows else 'part'}>"
        for part, html in parts
    ]
    if given := {value.name: _as_json(value) for value in values}:
        chunks.append(f"<hx-set>{escape(_encoder.encode(given).decode(), quote=False)}</hx-set>")
    return "".join(chunks)


def _as_json(value: Value) -> str | dict[str, str]:
    """The text; where attributes change with it, these, and the text among them unless the element has none of its own."""
    if not value.attributes:
        return value.text
    given = dict(value.attributes)
    return {"text": value.text, **given} if value.text else given


class _Drawn:
    """One view of one frame: its pieces, and the HTML of its parts as far as somebody wanted it."""

    def __init__(self, pieces: Pieces, before: _Drawn | None) -> None:
        self.pieces = pieces
        self.values = {value.name: value for value in pieces.values}
        self.keys = {part.name: part.key for part in pieces.parts}
        # The structure is the same under the same key. Values in it may be old: a full message sets them all after it.
        self._html: dict[str, str] = {}
        if before is not None:
            kept = before._html.items()
            self._html = {name: html for name, html in kept if before.keys[name] == self.keys.get(name, before)}
        self.full: str | None = None
        self.delta: str | None = None

    def html(self, part: Part) -> str:
        if part.name not in self._html:
            self._html[part.name] = part.draw()
        return self._html[part.name]

    def everything(self) -> str:
        return as_html([(part, self.html(part)) for part in self.pieces.parts], self.pieces.values)

    def changes(self, before: _Drawn) -> str:
        parts = [part for part in self.pieces.parts if before.keys.get(part.name, before) != part.key]
        known = before.values
        values = [value for value in self.pieces.values if known.get(value.name) != value]
        return as_html([(part, self.html(part)) for part in parts], values)


class Frame:
    """One snapshot as everybody gets it. Used in the event loop's thread only."""

    def __init__(
        self,
        number: int,
        snapshot: Snapshot,
        *,
        minute: Series,
        quarter: Series,
        version: str,
        previous: Frame | None = None,
    ) -> None:
        self.number = number
        self.snapshot = snapshot
        self._previous = previous
        if previous is not None:
            previous._previous = None  # one frame back is enough: further back a client is given the full one
        self._version = version
        self._minute, self._quarter = minute, quarter
        self._minute_to, self._quarter_to = minute.newest, quarter.newest
        self._drawn: dict[tuple[str, bool], _Drawn] = {}
        self._feeds: dict[bool, str] = {}

    @functools.cached_property
    def _without_details(self) -> Snapshot:
        return without_details(self.snapshot)

    def _of(self, *, has_details: bool) -> Snapshot:
        return self.snapshot if has_details else self._without_details

    def feed(self, *, has_details: bool = True) -> str:
        """The snapshot as JSON, for `/ws/gpu`; with or without who runs what."""
        if has_details not in self._feeds:
            self._feeds[has_details] = _encoder.encode(self._of(has_details=has_details)).decode()
        return self._feeds[has_details]

    def page(self, view: View, seen: int) -> str:
        """The message for a page that has frame `seen`: what changed since, or everything."""
        drawn, before = self._draw(view), self._previous
        if before is not None and seen == before.number:
            if drawn.delta is None:
                drawn.delta = self._message(
                    "delta", drawn, drawn.changes(before._draw(view)), self._points(view, before)
                )
            return drawn.delta
        if drawn.full is None:
            drawn.full = self._message("full", drawn, drawn.everything(), self._points(view, None))
        return drawn.full

    def _draw(self, view: View) -> _Drawn:
        key = view.name, view.has_details
        if key not in self._drawn:
            before = self._previous._drawn.get(key) if self._previous else None
            self._drawn[key] = _Drawn(view.pieces(self._of(has_details=view.has_details)), before)
        return self._drawn[key]

    def _points(self, view: View, before: Frame | None) -> Columns:
        if not view.has_charts:
            return Columns(time=[], gpus=(), series={})
        if view.gpu is None:
            return self._minute.columns(after=before._minute_to if before else 0, up_to=self._minute_to)
        after = before._quarter_to if before else 0
        return self._quarter.columns(after=after, up_to=self._quarter_to, gpu=view.gpu)

    def _message(self, kind: Literal["full", "delta"], drawn: _Drawn, content: str, points: Columns) -> str:
        snapshot = self.snapshot
        return _encoder.encode(
            PageMessage(
                kind=kind,
                version=self._version,
                seq=snapshot.seq,
                time=snapshot.time,
                sampled_at=snapshot.sampled_at,
                stale=snapshot.stale,
                age_seconds=snapshot.age_seconds,
                stale_reason=snapshot.stale_reason,
                poll_interval_seconds=snapshot.poll_interval_seconds,
                title=drawn.pieces.title,
                level=drawn.pieces.level,
                content=content,
                points=points,
            )
        ).decode()
