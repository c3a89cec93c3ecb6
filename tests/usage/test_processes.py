"""The processes of a span, and what each viewer sees of them."""

from __future__ import annotations

from datetime import UTC

import pytest

from monitor.access.visitor import Visitor
from monitor.usage.processes import processes
from monitor.web.api.usage_processes import HIDDEN, MOST_PROCESSES, answer_of, wanted_of
from tests.usage.scene import START, Scene, idle, of, seen


@pytest.fixture
def scene(db: None) -> Scene:
    """ana has used GPU 0, and bo uses GPU 1."""
    made = Scene()
    made.goes(60, seen(0, of("ana", 1, container_name="trainer", command="python train.py --key k")), idle(1))
    made.goes(200, idle(0), seen(1, of("bo", 2, sm_utilization_percent=0.0)), step=5.0)
    made.ledger.write_now()
    return made


def test_ended_and_running_processes_are_listed_the_last_seen_first(scene: Scene) -> None:
    bo, ana = processes(START, scene.wall)
    assert (bo.user, bo.gpu_index, bo.is_running, bo.sm_percent) == ("bo", 1, True, 0.0)
    assert bo.zero_seconds == bo.seconds == pytest.approx(200)
    assert (ana.user, ana.container, ana.command, ana.is_running) == ("ana", "trainer", "python train.py", False)
    assert ana.command_line == "python train.py --key k"
    assert (ana.last_at, ana.job, ana.pod) == (START + 60, None, None)


def test_span_gpu_and_number_limit_the_list(scene: Scene) -> None:
    assert [each.user for each in processes(START, START + 30)] == ["ana"]
    assert [each.user for each in processes(START + 100, scene.wall)] == ["bo"]
    assert [each.user for each in processes(START, scene.wall, uuid="GPU-0")] == ["ana"]
    assert [each.user for each in processes(START, scene.wall, most=1)] == ["bo"]
    assert processes(START - 100, START) == []


@pytest.mark.parametrize(
    ("visitor", "users", "lines", "hidden"),
    [
        (
            Visitor(may_look=True, sees_details=True, sees_commands=True),
            ["bo", "ana"],
            {"python train.py --key k"},
            None,
        ),
        (Visitor(may_look=True, sees_details=True), ["bo", "ana"], set(), None),
        (Visitor(may_look=True, sees_details=False), [], set(), HIDDEN),
    ],
)
def test_viewers_see_what_they_may(
    scene: Scene, visitor: Visitor, users: list[str], lines: set[str], hidden: str | None
) -> None:
    query = {"from": str(START), "to": str(scene.wall)}
    found = answer_of(wanted_of(query, scene.wall, UTC), visitor)
    assert [each.user for each in found.processes] == users
    assert {each.command_line for each in found.processes} - {None, "python train.py"} == lines
    assert found.processes_hidden == hidden
    assert not found.is_cut


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ({"limit": "0"}, f"limit is '0'; it must be a whole number from 1 to {MOST_PROCESSES}"),
        ({"limit": "9" * 5000}, "it must be a whole number"),
        ({"limit": "²"}, "it must be a whole number"),
        ({"user": "ana"}, "unknown parameter 'user'"),
        ({"range": "5d"}, "range is '5d'"),
    ],
)
def test_wrong_parameters_are_refused(query: dict[str, str], problem: str) -> None:
    with pytest.raises(ValueError, match=r".") as raised:
        wanted_of(query, START, UTC)
    assert problem in str(raised.value)
