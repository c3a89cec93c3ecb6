"""Whether readings can be trusted, at a time chosen by the test."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.live.hub import Hub
from monitor.telemetry.sampler.status import Status
from monitor.telemetry.schema import Gpu, ProviderReport, Snapshot
from monitor.web.api.health import health, now_of, status_of
from tests.support.snapshots import alert

NOW = 1_000_000.0
NOTHING = ProviderReport(name="pynvml", reason="The driver is missing.", fix="Install it.")


def gpu(index: int, state: str = "ok") -> Gpu:
    return Gpu(index=index, uuid=f"GPU-{index}", name="Card", state=state, utilization_percent=0.0)  # type: ignore[arg-type]


def snapshot(**changes: object) -> Snapshot:
    fresh = {"time": NOW, "sampled_at": NOW, "age_seconds": 0.2, "poll_interval_seconds": 1.0, "gpus": (gpu(0), gpu(1))}
    return Snapshot(host="host", seq=1, **(fresh | changes))  # type: ignore[arg-type]


def test_fresh_readings_of_all_gpus_are_ok() -> None:
    assert status_of(snapshot(), Status(), now=NOW + 1) == ("ok", None)


def test_sleeping_gpu_is_ok() -> None:
    assert status_of(snapshot(gpus=(gpu(0, "asleep"),)), Status(), now=NOW) == ("ok", None)


def test_lost_gpus_degrade_health_and_are_named() -> None:
    lost = snapshot(gpus=(gpu(0), gpu(1, "lost"), gpu(2, "lost")))
    assert status_of(lost, Status(), now=NOW) == ("degraded", "GPU 1, 2 is lost.")


def test_gpus_without_readings_degrade_health_and_are_named() -> None:
    silent = msgspec.structs.replace(gpu(1), utilization_percent=None)
    assert status_of(snapshot(gpus=(gpu(0), silent)), Status(), now=NOW) == ("degraded", "GPU 1 gives no readings.")


def test_stale_readings_are_down_with_their_reason_even_while_a_gpu_is_lost() -> None:
    stale = snapshot(stale=True, stale_reason="The driver hangs.", gpus=(gpu(0, "lost"),))
    assert status_of(stale, Status(), now=NOW) == ("down", "The driver hangs.")


def test_health_is_down_before_the_first_snapshot_and_says_why() -> None:
    assert status_of(None, Status(), now=NOW) == ("down", "Waiting for the first reading.")
    assert status_of(None, Status(problem="The sampler crashed."), now=NOW) == ("down", "The sampler crashed.")


def test_reason_without_a_reading_is_either_waiting_or_no_data_source() -> None:
    unread = snapshot(sampled_at=None, age_seconds=None, gpus=())
    assert status_of(unread, Status(), now=NOW) == ("down", "Waiting for the first reading.")
    untold = snapshot(sampled_at=None, age_seconds=None, gpus=(), providers=(NOTHING,))
    assert status_of(untold, Status(), now=NOW) == ("down", "No data source responds.")
    assert status_of(untold, Status(problem="The sampler crashed."), now=NOW) == ("down", "The sampler crashed.")


@pytest.mark.parametrize(
    ("interval", "silence", "verdict"), [(1, 12, "ok"), (1, 14, "down"), (60, 150, "ok"), (60, 200, "down")]
)
def test_loop_that_is_silent_for_several_intervals_is_down(interval: float, silence: float, verdict: str) -> None:
    told, reason = status_of(snapshot(poll_interval_seconds=interval), Status(), now=NOW + silence)
    assert told == verdict
    assert reason == (None if verdict == "ok" else f"No reading has arrived for {silence} s.")


def hub_with(latest: Snapshot | None) -> Hub:
    hub = Hub(max_rate_hz=5)
    if latest is not None:
        hub.take(latest)
    return hub


def test_age_increases_between_snapshots() -> None:
    assert health(hub_with(snapshot()), Status(), now=NOW + 3).age_seconds == pytest.approx(3.2)


def test_clock_set_back_does_not_lower_the_age() -> None:
    assert health(hub_with(snapshot()), Status(), now=NOW - 3600).age_seconds == pytest.approx(0.2)


def test_open_alerts_are_counted_by_severity() -> None:
    alerts = (alert(1), alert(2, severity="warning", acknowledged_at=5.0))
    answer = health(hub_with(snapshot()), Status(), now=NOW, alerts=alerts)
    assert answer.alerts == {"info": 0, "warning": 1, "critical": 1}


def test_health_without_a_snapshot_has_only_the_status_of_the_sampler() -> None:
    answer = health(hub_with(None), Status(sampler_pid=7, restarts=2, abandoned=1, clamped_count=3), now=NOW)
    assert (answer.status, answer.host, answer.provider, answer.age_seconds) == ("down", None, None, None)
    assert (answer.providers, answer.gpu_count, answer.clients) == ((), 0, {})
    assert answer.alerts == {"info": 0, "warning": 0, "critical": 0}
    assert (answer.sampler_pid, answer.sampler_restarts, answer.sampler_abandoned, answer.clamped_count) == (7, 2, 1, 3)


def test_stage_problems_degrade_health_but_do_not_hide_worse() -> None:
    problems = {"settings": "no row", "alerts": "the database is locked"}
    answer = health(hub_with(snapshot()), Status(), now=NOW, problems=problems)
    assert (answer.status, answer.reason) == ("degraded", "Settings: no row; Alerts: the database is locked")
    assert (answer.problems, answer.alerts_problem) == (problems, "the database is locked")
    stale = hub_with(snapshot(stale=True, stale_reason="The driver hangs."))
    assert health(stale, Status(), now=NOW, problems={"alerts": "x"}).reason == "The driver hangs."


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0.01, 30.0), st.floats(-1e8, 1e8)), min_size=1, max_size=8))
def test_clock_that_is_set_changes_no_judgement(steps: list[tuple[float, float]]) -> None:
    """Each step: seconds that pass without a new snapshot, and by how much the system's clock is then set."""
    at, wall = 1000.0, 1_800_000_000.0
    hub = Hub(max_rate_hz=5, monotonic=lambda: at)
    hub.take(snapshot(time=wall, sampled_at=wall, age_seconds=0.0))
    silent = 0.0
    for seconds, is_set_by in steps:
        at += seconds
        silent = at - 1000.0
        wall += seconds + is_set_by
        latest = hub.latest
        assert latest is not None
        assert latest.stale is (silent > 13.0)
        answer = health(hub, Status(), now=now_of(hub))
        assert answer.status == ("down" if latest.stale else "ok")
        assert answer.age_seconds == pytest.approx(silent, abs=1e-6)  # as exact as Unix time in a float
    hub.take(snapshot(time=wall, sampled_at=wall, age_seconds=0.0))
    assert health(hub, Status(), now=now_of(hub)).status == "ok"
