"""The pipeline: the order of its stages, and the isolation of a failing stage from the others."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pytest

from monitor.runtime.pipeline import Pipeline
from monitor.telemetry.schema import Snapshot
from tests.support.snapshots import host


class Recorder:
    """A stage that records its calls and fails at the steps in `fails_at`."""

    def __init__(self, name: str, steps: list[str], fails_at: Sequence[str] = ()) -> None:
        self.name = name
        self.problem: str | None = None
        self.fails_at = list(fails_at)
        self._steps = steps

    def _step(self, step: str) -> None:
        self._steps.append(f"{self.name} {step}")
        if step in self.fails_at:
            raise RuntimeError(f"no {step}")

    def start(self) -> None:
        self._step("start")

    def take(self, snapshot: Snapshot) -> None:
        self._step("take")

    def stop(self) -> None:
        self._step("stop")


class FleetRecorder(Recorder):
    """One that also receives the snapshots of other hosts."""

    def take_of_fleet(self, snapshot: Snapshot, *, is_late: bool, position: int | None = None) -> None:
        self._step(f"take {snapshot.host}{' late' if is_late else ''}")


@pytest.fixture
def steps() -> list[str]:
    return []


def test_stages_start_and_receive_in_list_order_and_stop_in_reverse(steps: list[str]) -> None:
    pipeline = Pipeline([Recorder("a", steps), Recorder("b", steps)])
    pipeline.start()
    pipeline.take(host())
    pipeline.stop()
    assert steps == ["a start", "b start", "a take", "b take", "b stop", "a stop"]
    assert pipeline.problems == {}
    assert (pipeline.names, pipeline.tick_count) == (("a", "b"), 1)
    assert pipeline.tick_seconds > 0


def test_stage_that_raises_on_a_snapshot_is_logged_once_and_recovers(
    steps: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    broken = Recorder("broken", steps, ["take"])
    pipeline = Pipeline([broken, Recorder("beside", steps)])
    pipeline.start()
    for _ in range(3):
        pipeline.take(host())
    assert steps.count("beside take") == 3
    assert pipeline.problems == {"broken": "could not process a snapshot (RuntimeError: no take)"}
    assert [record.message for record in caplog.records] == [
        "stage broken could not process a snapshot; the other stages continue"
    ]
    assert "RuntimeError: no take" in caplog.text
    broken.fails_at.clear()
    pipeline.take(host())
    assert pipeline.problems == {}
    assert caplog.messages[-1] == "recovered: stage broken can process a snapshot"


def test_stage_that_cannot_start_receives_nothing_and_the_others_run(steps: list[str]) -> None:
    pipeline = Pipeline([Recorder("broken", steps, ["start"]), Recorder("beside", steps)])
    pipeline.start()
    pipeline.take(host())
    pipeline.stop()
    assert steps == ["broken start", "beside start", "beside take", "beside stop", "broken stop"]
    assert pipeline.problems["broken"] == "could not start (RuntimeError: no start)"


def test_stage_that_cannot_stop_does_not_prevent_others_from_stopping(steps: list[str]) -> None:
    pipeline = Pipeline([Recorder("beside", steps), Recorder("broken", steps, ["stop"])])
    pipeline.start()
    pipeline.stop()
    assert steps[-2:] == ["broken stop", "beside stop"]
    assert pipeline.problems == {"broken": "could not stop (RuntimeError: no stop)"}


def test_snapshots_before_start_and_after_stop_are_dropped(steps: list[str]) -> None:
    pipeline = Pipeline([Recorder("a", steps)])
    pipeline.take(host())
    pipeline.start()
    pipeline.stop()
    pipeline.take(host())
    assert steps == ["a start", "a stop"]


def test_problem_reported_by_a_stage_is_listed(steps: list[str]) -> None:
    stage = Recorder("full", steps)
    pipeline = Pipeline([stage])
    stage.problem = "the disk is full"
    assert pipeline.problems == {"full": "the disk is full"}


def test_snapshots_of_other_hosts_go_to_the_stages_that_receive_those(steps: list[str]) -> None:
    broken = FleetRecorder("broken", steps, ["take b"])
    pipeline = Pipeline([Recorder("own", steps), broken, FleetRecorder("all", steps)])
    pipeline.take_of_fleet(host(host="too early"), is_late=False)
    pipeline.start()
    steps.clear()
    pipeline.take_of_fleet(host(host="b"), is_late=False)
    pipeline.take_of_fleet(host(host="c"), is_late=True)
    assert steps == ["broken take b", "all take b", "broken take c late", "all take c late"]
    pipeline.take(host())
    assert pipeline.problems == {"broken": "could not process a snapshot of b (RuntimeError: no take b)"}
    broken.fails_at.clear()
    pipeline.take_of_fleet(host(host="b"), is_late=False)
    assert pipeline.problems == {}
