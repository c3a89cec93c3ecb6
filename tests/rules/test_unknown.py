"""Unknown values neither fire nor resolve an alert; this includes processes, their memory and their users."""

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
def test_alert_stays_open_while_the_process_list_is_unavailable(judged: Rule, bad: object, unknown: Gpu) -> None:
    """Regression: one reading without the process list resolved the alert, and its half hour started over."""
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
def test_unknown_memory_does_not_count_as_freed(judged: Rule, status: str) -> None:
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


def test_sleeping_gpu_has_no_processes() -> None:
    seen = evaluation(rule("idle_held", held_memory_bytes=4.0 * GIB, idle_percent=5.0))
    assert len(seen.take(at(0, board(HOLDS)))) == 1
    asleep = board(processes=None, state="asleep", utilization_percent=None)
    assert told(seen.take(at(1, asleep))) == [("over", "process exited or freed memory")]


def test_other_gpus_of_the_host_are_still_evaluated() -> None:
    seen = evaluation(rule("idle_held", held_memory_bytes=4.0 * GIB, idle_percent=5.0))
    two = gpu(1, utilization_percent=0, processes=(process(8, memory_used_bytes=20 * GIB),))
    assert len(seen.take(at(0, board(HOLDS), two))) == 2
    assert len(seen.take(at(1, board(processes=None), gpu(1)))) == 1
    assert [event.gpu_index for event in seen.open.values()] == [0]


def test_zero_memory_is_an_amount() -> None:
    """Regression: a rule for 0 MiB never fired."""
    seen = evaluation(rule("idle_held", held_memory_bytes=0.0, idle_percent=5.0))
    assert len(seen.take(at(0, board(process(7, memory_used_bytes=0))))) == 1


def test_processes_of_hidden_users_count_as_users() -> None:
    """Regression: a container that does not see the host's processes counted 0 users."""
    seen = evaluation(rule("several_users", threshold=2.0))
    hidden = process(3, user=None, status="hidden")
    assert len(seen.take(at(0, board(process(1), process(2, user="bo"), hidden)))) == 1  # two of them are enough
    assert seen.take(at(1, board(process(1), hidden))) == []
    assert seen.take(at(2, board(hidden))) == []
    dead = process(3, user=None, status="gone")
    assert told(seen.take(at(3, board(process(1), dead)))) == [("over", "condition cleared")]
