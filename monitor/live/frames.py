"""A frame: one snapshot and the bytes made of it, each kind at most once and only when somebody wants it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

import msgspec

from monitor.live.points import Columns, Point, columns
from monitor.telemetry.schema import Snapshot


class Piece(NamedTuple):
    """A live piece of the page: the element with this id holds this HTML."""

    name: str
    html: str
    key: str
    """What it is compared by: the HTML itself, or for a frame around other pieces what decides its structure."""
    within: str | None
    """The piece around it."""


class DashboardMessage(msgspec.Struct, frozen=True, kw_only=True):
    """What `/ws/dashboard` sends. htmx swaps `content`; the scripts of the page read the rest."""

    kind: Literal["full", "delta"]
    seq: int
    time: float
    sampled_at: float | None
    stale: bool
    age_seconds: float | None
    stale_reason: str | None
    poll_interval_seconds: float | None
    content: str
    points: Columns


Render = Callable[[Snapshot], Sequence[Piece]]
"""Draws the page's live pieces; given by the pages, which live does not know."""

_encoder = msgspec.json.Encoder()


def changed(pieces: Sequence[Piece], before: Sequence[Piece]) -> list[Piece]:
    """The pieces that are not as before, without those that a changed piece around them brings along."""
    known = {piece.name: piece.key for piece in before}
    fresh: set[str] = set()
    found = []
    for piece in pieces:  # a piece comes before the pieces within it
        if piece.within in fresh:
            fresh.add(piece.name)
        elif known.get(piece.name) != piece.key:
            fresh.add(piece.name)
            found.append(piece)
    return found


def partials(pieces: Iterable[Piece]) -> str:
    """The pieces as htmx takes them: each replaces the content of the element with its id."""
    return "".join(f'<hx-partial id="{piece.name}">{piece.html}</hx-partial>' for piece in pieces)


class Frame:
    """One snapshot as everybody gets it. Used in the event loop's thread only."""

    def __init__(
        self,
        number: int,
        snapshot: Snapshot,
        render: Render,
        *,
        previous: Frame | None,
        since: Sequence[Point],
        ring: Sequence[Point],
    ) -> None:
        self.number = number
        self.snapshot = snapshot
        self._render = render
        self._previous = previous
        if previous is not None:
            previous._previous = None  # one frame back is enough: further back a client is given the full one
        self._since, self._ring = since, ring
        self._pieces: Sequence[Piece] | None = None
        self._full: str | None = None
        self._delta: str | None = None
        self._feed: str | None = None

    def feed(self) -> str:
        """The snapshot as JSON, for `/ws/gpu`."""
        if self._feed is None:
            self._feed = _encoder.encode(self.snapshot).decode()
        return self._feed

    def dashboard(self, seen: int) -> str:
        """The message for a page that has frame `seen`: what changed since, or everything."""
        if seen == self.number - 1 and self._previous is not None:
            if self._delta is None:
                pieces = changed(self.pieces(), self._previous.pieces())
                self._delta = self._message("delta", pieces, self._since)
            return self._delta
        if self._full is None:
            whole = [piece for piece in self.pieces() if piece.within is None]
            self._full = self._message("full", whole, self._ring)
        return self._full

    def pieces(self) -> Sequence[Piece]:
        """The page's live pieces, drawn once."""
        if self._pieces is None:
            self._pieces = self._render(self.snapshot)
        return self._pieces

    def _message(self, kind: Literal["full", "delta"], pieces: Iterable[Piece], points: Sequence[Point]) -> str:
        snapshot = self.snapshot
        return _encoder.encode(
            DashboardMessage(
                kind=kind,
                seq=snapshot.seq,
                time=snapshot.time,
                sampled_at=snapshot.sampled_at,
                stale=snapshot.stale,
                age_seconds=snapshot.age_seconds,
                stale_reason=snapshot.stale_reason,
                poll_interval_seconds=snapshot.poll_interval_seconds,
                content=partials(pieces),
                points=columns(points),
            )
        ).decode()
