"""What is not known neither fires nor ends an alert, also where processes, their memory or their users are not known."""

from __future__ import annotations

import pytest

from monitor.rules.rule import Rule
from monitor.telemetry.schema import Gpu
from tests.rules.evaluation_scene import at, evaluation, rule, told
from tests.support.snapshots import GIB, gpu, process

HOLDS = process(7, memory_used_bytes=20 * GIB)
IDLE_HELD = rule("idle_held", held_memory_bytes=4.0 * GIB, idle_percent=5.0, for_seconds=60.0)
DEAD = rule("process_gone", held_memory_bytes=4.0 * GIB, for_seconds=60.0)
BUSY = rule(metric="process.cpu_percent", threshold=100.0, for_seconds=60.0)


def board(*processes: object, **changes: object) -> Gpu:
    return gpu(**{"utilization_percent": 0, "processes": processes, **changes})


@pytest.mark.parametrize(
    ("judged", "bad"),
    [(IDLE_HELD, HOLDS), (DEAD, process(7, status="gone", memory_used_bytes=20 * GIB)), (BUSY, HOLDS)],
    ids=["idle_held", "process_gone", "process metric"],
)
@pytest.mark.parametrize(
    "unknown",
    [board(processes=None), board(processes=None, state="lost")],
    ids=["processes not told", "GPU lost"],
)
def test_while_processes_are_not_known_none_of_them_has_ended(judged: Rule, bad: object, unknown: Gpu) -> None:
    """One reading without the list of processes ended the alert as if they had ended, and half an hour began anew."""
    seen = evaluation(judged)
    assert seen.take(at(0, board(bad))) == []
    assert seen.take(at(30, unknown)) == []
    assert seen.take(at(59, board(bad))) == []  # 29 s known to hold
    (event,) = seen.take(at(90, board(bad)))
    assert event.started_at == 0
    assert seen.take(at(100, unknown)) == []
    assert seen.take(at(101, board(bad))) == []
    assert told(seen.take(at(102, board()))) == [("over", "process exited or freed memory")]


@pytest.mark.parametrize(("judged", "status"), [(IDLE_HELD, "running"), (DEAD, "gone")])
def test_memory_that_is_not_known_is_not_let_go_of(judged: Rule, status: str) -> None:
    holds = process(7, status=status, memory_used_bytes=20 * GIB)
    untold = process(7, status=status, memory_used_bytes=None)
    seen = evaluation(judged)
    assert seen.take(at(0, board(untold))) == []
    for time in range(1, 62, 10):
        assert len(seen.take(at(time, board(holds)))) == (time == 61)
    assert seen.take(at(70, board(untold))) == []
    assert told(seen.take(at(71, board(process(7, status=status, memory_used_bytes=GIB))))) == [
        ("over", "process exited or freed memory")
    ]


def test_on_a_gpu_that_sleeps_nothing_runs() -> None:
    seen = evaluation(rule("idle_held", held_memory_bytes=4.0 * GIB, idle_percent=5.0))
    assert len(seen.take(at(0, board(HOLDS)))) == 1
    asleep = board(processes=None, state="asleep", utilization_percent=None)
    assert told(seen.take(at(1, asleep))) == [("over", "process exited or freed memory")]


def test_other_gpus_of_the_host_are_judged_meanwhile() -> None:
    seen = evaluation(rule("idle_held", held_memory_bytes=4.0 * GIB, idle_percent=5.0))
    two = gpu(1, utilization_percent=0, processes=(process(8, memory_used_bytes=20 * GIB),))
    assert len(seen.take(at(0, board(HOLDS), two))) == 2
    assert len(seen.take(at(1, board(processes=None), gpu(1)))) == 1
    assert [event.gpu_index for event in seen.open.values()] == [0]


def test_no_memory_at_all_is_an_amount_too() -> None:
    """A rule for 0 MiB could never fire."""
    seen = evaluation(rule("idle_held", held_memory_bytes=0.0, idle_percent=5.0))
    assert len(seen.take(at(0, board(process(7, memory_used_bytes=0))))) == 1


def test_processes_whose_users_are_hidden_are_not_nobodys() -> None:
    """In a container that does not see the host's processes, 0 users were counted."""
    seen = evaluation(rule("several_users", threshold=2.0))
    hidden = process(3, user=None, status="hidden")
    assert len(seen.take(at(0, board(process(1), process(2, user="bo"), hidden)))) == 1  # two of them are enough
    assert seen.take(at(1, board(process(1), hidden))) == []
    assert seen.take(at(2, board(hidden))) == []
    dead = process(3, user=None, status="gone")
    assert told(seen.take(at(3, board(process(1), dead)))) == [("over", "condition cleared")]
