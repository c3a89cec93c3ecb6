"""What a page is sent: only what changed, or everything; each kind of bytes once."""

from __future__ import annotations

import json
from collections.abc import Sequence

from monitor.live.frames import Frame, Piece, changed
from monitor.live.points import Point
from monitor.telemetry.schema import Snapshot


def piece(name: str, html: str, *, key: str | None = None, within: str | None = None) -> Piece:
    return Piece(name, html, html if key is None else key, within)


class Drawing:
    """Renders what it is told and counts."""

    def __init__(self, *pieces: Piece) -> None:
        self.pieces = pieces
        self.count = 0

    def __call__(self, snapshot: Snapshot) -> Sequence[Piece]:
        self.count += 1
        return self.pieces


def frame(number: int, drawing: Drawing, previous: Frame | None = None) -> Frame:
    points = [Point(float(number), ("a",), (1.0,), (2.0,))]
    snapshot = Snapshot(host="h", seq=number, time=1.0)
    return Frame(number, snapshot, drawing, previous=previous, since=points, ring=[*points, *points])


def test_only_pieces_whose_html_changed_are_sent() -> None:
    before = [piece("a", "1"), piece("b", "2")]
    assert [each.name for each in changed([piece("a", "1"), piece("b", "3")], before)] == ["b"]


def test_a_piece_around_others_is_sent_only_when_its_structure_changes() -> None:
    before = [piece("rows", "<td>1", key="k"), piece("cell", "1", within="rows")]
    same = [piece("rows", "<td>2", key="k"), piece("cell", "2", within="rows")]
    other = [piece("rows", "<td>2", key="l"), piece("cell", "2", within="rows")]
    assert [each.name for each in changed(same, before)] == ["cell"]
    assert [each.name for each in changed(other, before)] == ["rows"]


def test_a_client_one_frame_behind_gets_the_delta_and_one_point() -> None:
    first = frame(1, Drawing(piece("a", "1"), piece("b", "x")))
    second = frame(2, Drawing(piece("a", "2"), piece("b", "x")), previous=first)
    message = json.loads(second.dashboard(1))
    assert message["kind"] == "delta"
    assert message["content"] == '<hx-partial id="a">2</hx-partial>'
    assert message["points"]["time"] == [2.0]


def test_a_new_or_lagging_client_gets_everything_and_the_whole_minute() -> None:
    first = frame(1, Drawing(piece("a", "1")))
    second = frame(
        2, Drawing(piece("a", "1"), piece("b", "<i>", key="k"), piece("c", "in b", within="b")), previous=first
    )
    message = json.loads(second.dashboard(0))
    assert message["kind"] == "full"
    assert message["content"] == '<hx-partial id="a">1</hx-partial><hx-partial id="b"><i></hx-partial>'
    assert message["points"]["time"] == [2.0, 2.0]


def test_bytes_are_made_once_for_everybody_and_nothing_for_nobody() -> None:
    drawing = Drawing(piece("a", "1"))
    first = frame(1, drawing)
    assert drawing.count == 0
    assert first.dashboard(0) is first.dashboard(0)
    assert first.feed() is first.feed()
    assert drawing.count == 1


def test_the_feed_alone_draws_no_html() -> None:
    drawing = Drawing(piece("a", "1"))
    assert json.loads(frame(1, drawing).feed())["host"] == "h"
    assert drawing.count == 0
