"""What a page receives: only the changes, or everything. Each kind of bytes is made once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monitor.live.frames import Frame
from monitor.live.pieces import LivePage, Part, Pieces, Value
from monitor.live.series import Series
from monitor.telemetry.schema import Gpu, GpuProcess, Snapshot


class Drawing:
    """A page with the given pieces, which counts how often its pieces are computed and its parts rendered."""

    def __init__(self) -> None:
        self.values: Sequence[Value] = ()
        self.keys: dict[str, str] = {}
        self.asked = 0
        self.drawn: list[str] = []
        self.page = LivePage("page", self._pieces)

    def _pieces(self, snapshot: Snapshot) -> Pieces:
        self.asked += 1
        parts = [Part(name, key, self._drawing(name, key)) for name, key in self.keys.items()]
        return Pieces(parts, self.values, "title", "ok")

    def _drawing(self, name: str, key: str) -> object:
        def draw() -> str:
            self.drawn.append(f"{name}={key}")
            return f"<i>{key}</i>"

        return draw


class Frames:
    """Consecutive frames, as the hub makes them."""

    def __init__(self) -> None:
        self.drawing = Drawing()
        self.minute = Series(("utilization_percent",), seconds=60)
        self.quarter = Series(("utilization_percent", "power_watts"), seconds=900, step_seconds=1)
        self.newest: Frame | None = None

    def cut(self, *values: Value, **keys: str) -> Frame:
        self.drawing.values, self.drawing.keys = values, keys
        number = self.newest.number + 1 if self.newest else 1
        gpus = (Gpu(index=0, uuid="a", name="x", utilization_percent=number), Gpu(index=1, uuid="b", name="x"))
        snapshot = Snapshot(host="h", seq=number, time=1.0, sampled_at=float(number), gpus=gpus)
        self.minute.add(snapshot)
        self.quarter.add(snapshot)
        self.newest = Frame(
            number, snapshot, minute=self.minute, quarter=self.quarter, version="1", previous=self.newest
        )
        return self.newest

    def content(self, frame: Frame, seen: int) -> str:
        return str(json.loads(frame.page(self.drawing.page, seen))["content"])


def test_page_without_details_is_computed_separately_and_once() -> None:
    frames = Frames()
    frame = frames.cut(Value("u", "1"))
    hidden = frames.drawing.page.without_details()
    frame.page(frames.drawing.page, 0)
    assert frames.drawing.asked == 1
    for _ in range(3):
        frame.page(hidden, 0)
        frame.page(frames.drawing.page, 0)
    assert frames.drawing.asked == 2


@pytest.mark.parametrize("name", ["page", "page without details"])
def test_client_cannot_choose_a_name_that_shares_the_bytes_of_others(name: str) -> None:
    """Clients name the pages of GPUs: a name could equal that of another page without details."""
    users: list[str] = []

    def pieces(snapshot: Snapshot) -> Pieces:
        user = snapshot.gpus[0].processes[0].user if snapshot.gpus[0].processes else None
        users.append(str(user))
        return Pieces([], [Value("user", str(user))], "title", "ok")

    running = GpuProcess(pid=1, user="mira", command="python train.py")
    snapshot = Snapshot(host="h", seq=1, time=1.0, gpus=(Gpu(index=0, uuid="a", name="x", processes=(running,)),))
    series = Series(("utilization_percent",), seconds=60)
    frame = Frame(1, snapshot, minute=series, quarter=series, version="1")
    assert "mira" in frame.page(LivePage(name, pieces), 0)
    assert "mira" not in frame.page(LivePage("page", pieces).without_details(), 0)
    assert users == ["mira", "None"]


def test_feed_without_details_is_encoded_once_from_a_snapshot_without_details() -> None:
    running = GpuProcess(pid=1, user="mira", command="python train.py")
    snapshot = Snapshot(host="h", seq=1, time=1.0, gpus=(Gpu(index=0, uuid="a", name="x", processes=(running,)),))
    series = Series(("utilization_percent",), seconds=60)
    frame = Frame(1, snapshot, minute=series, quarter=series, version="1")
    assert "mira" in frame.feed()
    assert "mira" not in frame.feed(has_details=False)
    assert "train.py" not in frame.feed(has_details=False)
    assert frame.feed(has_details=False) is frame.feed(has_details=False)
    assert "mira" in frame.feed()


def test_feed_without_command_lines_keeps_users_and_is_encoded_once() -> None:
    running = GpuProcess(pid=1, user="mira", name="python", command="python train.py")
    snapshot = Snapshot(host="h", seq=1, time=1.0, gpus=(Gpu(index=0, uuid="a", name="x", processes=(running,)),))
    series = Series(("utilization_percent",), seconds=60)
    frame = Frame(1, snapshot, minute=series, quarter=series, version="1")
    names = frame.feed(has_commands=False)
    assert "mira" in names
    assert "train.py" not in names
    assert frame.feed(has_commands=False) is names
    assert frame.feed(has_details=False, has_commands=True) is frame.feed(has_details=False, has_commands=False)
    assert "train.py" in frame.feed()


def test_page_one_frame_behind_receives_changed_values_and_one_point() -> None:
    frames = Frames()
    frames.content(frames.cut(Value("u", "1"), Value("m", "5")), 0)
    second = frames.cut(Value("u", "2"), Value("m", "5"))
    message = json.loads(second.page(frames.drawing.page, 1))
    assert message["kind"] == "delta"
    assert message["content"] == '<hx-set>{"u":"2"}</hx-set>'
    assert message["points"]["time"] == [2.0]
    assert message["points"]["series"] == {"utilization_percent": [[2.0], [None]]}


def test_changed_attribute_is_sent() -> None:
    frames = Frames()
    frames.content(frames.cut(Value("m", "", (("value", "5"),))), 0)
    assert frames.content(frames.cut(Value("m", "", (("value", "6"),))), 1) == '<hx-set>{"m":{"value":"6"}}</hx-set>'


def test_tick_with_only_new_numbers_renders_no_html() -> None:
    frames = Frames()
    frames.content(frames.cut(Value("u", "1"), card="k"), 0)
    assert frames.drawing.drawn == ["card=k"]
    for number in range(1, 20):
        frames.content(frames.cut(Value("u", str(number + 1)), card="k"), number)
    assert frames.drawing.drawn == ["card=k"]


def test_part_is_sent_when_its_key_changes_and_precedes_values() -> None:
    frames = Frames()
    frames.content(frames.cut(Value("u", "1"), card="k", other="o"), 0)
    content = frames.content(frames.cut(Value("u", "2"), card="l", other="o"), 1)
    assert content.startswith('<hx-part id="card" key="')
    assert content.endswith('<i>l</i></hx-part><hx-set>{"u":"2"}</hx-set>')
    assert "other" not in content


def test_new_or_lagging_page_receives_everything_and_the_whole_minute() -> None:
    frames = Frames()
    for _ in range(3):
        newest = frames.cut(Value("u", "1"), Value("m", "5"), card="k")
    message = json.loads(newest.page(frames.drawing.page, 1))
    assert message["kind"] == "full"
    assert message["content"].count("<hx-part") == 1
    assert message["content"].endswith('<hx-set>{"u":"1","m":"5"}</hx-set>')
    assert message["points"]["time"] == [1.0, 2.0, 3.0]


def test_page_of_one_gpu_receives_only_its_points_with_all_metrics() -> None:
    frames = Frames()
    frames.drawing.page = frames.drawing.page._replace(gpu="b")
    points = json.loads(frames.cut().page(frames.drawing.page, 0))["points"]
    assert points["gpus"] == ["b"]
    assert points["series"] == {"utilization_percent": [[None]], "power_watts": [[None]]}


def test_points_after_the_frame_are_in_the_next_message() -> None:
    frames = Frames()
    first = frames.cut()
    second = frames.cut()
    first_points = json.loads(first.page(frames.drawing.page, 0))["points"]["time"]
    second_points = json.loads(second.page(frames.drawing.page, 1))["points"]["time"]
    assert (first_points, second_points) == ([1.0], [2.0])


def test_bytes_are_encoded_once_for_all_clients_and_never_without_clients() -> None:
    frames = Frames()
    first = frames.cut(Value("u", "1"))
    assert frames.drawing.asked == 0
    assert first.page(frames.drawing.page, 0) is first.page(frames.drawing.page, 0)
    assert first.feed() is first.feed()
    assert frames.drawing.asked == 1


def test_feed_computes_no_page() -> None:
    frames = Frames()
    assert json.loads(frames.cut(Value("u", "1")).feed())["host"] == "h"
    assert frames.drawing.asked == 0


class Reading(HTMLParser):
    """A message as a browser parses it: its tags with their attributes, and all text."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(content)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@given(st.text(), st.text())
@example("</hx-set><script>", '"><script>')
def test_any_text_in_a_value_is_parsed_as_that_text(text: str, title: str) -> None:
    """A process can be named `</hx-set><script>`."""
    frames = Frames()
    read = Reading(frames.content(frames.cut(Value("u", text, (("title", title),))), 0))
    assert read.tags == [("hx-set", {})]
    assert json.loads(read.text) == {"u": {"text": text, "title": title} if text else {"title": title}}


def test_page_without_charts_receives_no_points() -> None:
    bare = LivePage("bare", lambda _snapshot: Pieces((), (), "title", "ok"), has_charts=False)
    assert json.loads(Frames().cut().page(bare, 0))["points"] == {"time": [], "gpus": [], "series": {}}
