"""Tiles: a state has a shape and a word, in lines that are always there."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.telemetry.gpu_use import IDLE_BY_DEFAULT, use_of
from monitor.telemetry.schema import Alert
from monitor.web.components.gpu_tiles import Tile
from monitor.web.components.live_pieces import LivePieces
from tests.support.snapshots import GIB, alert, gpu, process


def tile(*alerts: Alert, time: float = 1000.0, **changes: Any) -> Tile:
    made = gpu(**changes)
    return Tile(0, made, LivePieces(), use_of(made, IDLE_BY_DEFAULT), alerts, time=time)


@pytest.mark.parametrize(("load", "heat"), [(0.0, "0"), (4.0, "0"), (55.0, "6"), (100.0, "10"), (None, "")])
def test_colour_is_as_deep_as_the_load(load: float | None, heat: str) -> None:
    assert dict(tile(utilization_percent=load).state.attributes)["data-heat"] == heat


@pytest.mark.parametrize(
    ("changes", "use", "word"),
    [
        ({}, "busy", "busy"),
        ({"utilization_percent": 0.0, "processes": (process(1),)}, "held", "idle-held"),
        ({"utilization_percent": 0.0}, "free", "free"),
        ({"utilization_percent": None, "mig_mode": True}, "mig", "MIG"),
        ({"state": "lost", "since": 970.0}, "lost", "lost"),
        ({"state": "lost", "since": 280.0}, "lost", "lost 12\u2009min"),
        ({"state": "lost", "since": 2000.0}, "lost", "lost"),
        ({"state": "lost"}, "lost", "lost"),
        ({"state": "asleep"}, "asleep", "asleep"),
        ({"utilization_percent": None, "processes": None}, "unknown", "no data"),
    ],
)
def test_state_is_a_shape_and_a_word(changes: dict[str, Any], use: str, word: str) -> None:
    made = tile(**changes)
    assert (dict(made.state.attributes)["data-use"], made.word.text) == (use, word)


@pytest.mark.parametrize("severity", ["warning", "critical"])
def test_firing_gpu_is_outlined_and_says_so_in_the_line_of_its_state(severity: str) -> None:
    """A chip once made its tile higher than the others."""
    made = tile(alert(severity=severity), alert(2, severity="warning", rule="Memory nearly full"))
    assert dict(made.state.attributes)["data-level"] == severity
    assert made.word.text == "too hot +1"
    assert dict(made.word.attributes)["data-level"] == severity
    assert "“Thermal slowdown”" in dict(made.word.attributes)["title"]


def test_user_with_the_most_memory_is_named_and_the_others_are_counted() -> None:
    processes = (
        process(1, user="jo"), process(2, user="mira", memory_used_bytes=9 * GIB), process(3, user="mira"), process(4, user=None),
    )  # fmt: skip
    assert tile(processes=processes).users.text == "mira +1"
    assert tile(processes=None).users.text == ""
    assert tile(processes=(process(1, user=None),)).users.text == ""
