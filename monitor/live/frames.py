"""A frame: one tick's bytes for clients, made from one snapshot. Each kind of bytes is made at most once, and only if a client
needs it.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Literal

import msgspec

from monitor.live.pieces import LivePage, Part, Pieces, Value
from monitor.live.series import Columns, Series
from monitor.telemetry.redaction import as_seen
from monitor.telemetry.schema import Snapshot


class PageMessage(msgspec.Struct, frozen=True, kw_only=True):
    """What `/ws/dashboard` sends. htmx applies `content`; the page's scripts read the other fields."""

    kind: Literal["full", "delta"]
    version: str
    """Of the running server. A page rendered by another version should be reloaded."""
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
    """`<hx-part id=… key=…>` replaces the content of an element; one `<hx-set>` sets all texts and attributes in one object,
    because an element for each would make up most of the message and of the page's work."""
    points: Columns


_encoder = msgspec.json.Encoder()


def as_html(parts: Iterable[tuple[Part, str]], values: Iterable[Value]) -> str:
    """Parts with their HTML, then values, in the form that the page's htmx extension applies (static/js/pieces.js)."""
    chunks = [
        f'<hx-{"rows" if part.is_rows else "part"} id="{part.name}" key="{part.mark}">{html}'
        f"</hx-{'rows' if part.is_rows else 'part'}>"
        for part, html in parts
    ]
    if by_name := {value.name: _as_json(value) for value in values}:
        chunks.append(f"<hx-set>{escape(_encoder.encode(by_name).decode(), quote=False)}</hx-set>")
    return "".join(chunks)


def _as_json(value: Value) -> str | dict[str, str]:
    """The text, or an object of text and attributes. An empty text beside attributes is left out: the element has none."""
    if not value.attributes:
        return value.text
    attributes = dict(value.attributes)
    return {"text": value.text, **attributes} if value.text else attributes


class _PageContent:
    """The pieces of one page in one frame, and the HTML of the parts that a client has needed."""

    def __init__(self, pieces: Pieces, before: _PageContent | None) -> None:
        self.pieces = pieces
        self.values = {value.name: value for value in pieces.values}
        self.keys = {part.name: part.key for part in pieces.parts}
        # HTML with the same key has the same structure. The values in it may be old: a full message sets them all after it.
        self.drawn: dict[str, str] = {}
        if before is not None:
            kept = before.drawn.items()
            self.drawn = {name: html for name, html in kept if before.keys[name] == self.keys.get(name, before)}
        self.full: str | None = None
        self.delta: str | None = None

    def html(self, part: Part) -> str:
        if part.name not in self.drawn:
            self.drawn[part.name] = part.draw()
        return self.drawn[part.name]

    def everything(self) -> str:
        return as_html([(part, self.html(part)) for part in self.pieces.parts], self.pieces.values)

    def changes(self, before: _PageContent) -> str:
        parts = [part for part in self.pieces.parts if before.keys.get(part.name, before) != part.key]
        known = before.values
        values = [value for value in self.pieces.values if known.get(value.name) != value]
        return as_html([(part, self.html(part)) for part in parts], values)


class Frame:
    """Used only in the thread of the event loop."""

    def __init__(
        self,
        number: int,
        snapshot: Snapshot,
        *,
        source: Snapshot | None = None,
        minute: Series,
        quarter: Series,
        version: str,
        previous: Frame | None = None,
    ) -> None:
        self.number = number
        self.snapshot = snapshot
        self.source = source or snapshot
        """The snapshot as it was published; `snapshot` may be the same, marked as stale since."""
        self.previous = previous
        """The frame before this one. Kept only by the newest frame: a client further behind receives a full message."""
        if previous is not None:
            previous.previous = None
        self._version = version
        self._minute, self._quarter = minute, quarter
        self.minute_to, self.quarter_to = minute.newest, quarter.newest
        self.contents: dict[tuple[str, bool, bool, bool], _PageContent] = {}
        self._snapshots: dict[tuple[bool, bool], Snapshot] = {}
        self._feeds: dict[tuple[bool, bool], str] = {}

    def _snapshot(self, *, has_details: bool, has_commands: bool) -> Snapshot:
        key = has_details, has_details and has_commands
        if key not in self._snapshots:
            self._snapshots[key] = as_seen(self.snapshot, has_details=has_details, has_commands=has_commands)
        return self._snapshots[key]

    def feed(self, *, has_details: bool = True, has_commands: bool = True) -> str:
        """The snapshot as JSON, for `/ws/gpu`, with or without users, programs and command lines."""
        key = has_details, has_details and has_commands
        if key not in self._feeds:
            snapshot = self._snapshot(has_details=has_details, has_commands=has_commands)
            self._feeds[key] = _encoder.encode(snapshot).decode()
        return self._feeds[key]

    def page(self, page: LivePage, seen: int) -> str:
        """The message for a client whose last frame is number `seen`: the changes since then, or everything."""
        content, before = self.content(page), self.previous
        if before is not None and seen == before.number:
            if content.delta is None:
                changes = content.changes(before.content(page))
                content.delta = self._message("delta", content, changes, self._points(page, before))
            return content.delta
        if content.full is None:
            content.full = self._message("full", content, content.everything(), self._points(page, None))
        return content.full

    def content(self, page: LivePage) -> _PageContent:
        key = page.name, page.has_details, page.has_details and page.has_commands, page.is_by_link
        if key not in self.contents:
            before = self.previous.contents.get(key) if self.previous else None
            snapshot = self._snapshot(has_details=page.has_details, has_commands=page.has_commands)
            self.contents[key] = _PageContent(page.pieces(snapshot), before)
        return self.contents[key]

    def _points(self, page: LivePage, before: Frame | None) -> Columns:
        if not page.has_charts:
            return Columns(time=[], gpus=(), series={})
        if page.gpu is None:
            return self._minute.columns(after=before.minute_to if before else 0, up_to=self.minute_to)
        after = before.quarter_to if before else 0
        return self._quarter.columns(after=after, up_to=self.quarter_to, gpu=page.gpu)

    def _message(self, kind: Literal["full", "delta"], content: _PageContent, html: str, points: Columns) -> str:
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
                title=content.pieces.title,
                level=content.pieces.level,
                content=html,
                points=points,
            )
        ).decode()
