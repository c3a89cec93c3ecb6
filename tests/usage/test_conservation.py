"""For any span, users' shares + held by nobody + free + unknown = GPUs × time, whatever happens to processes, clock and server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.models.usage import (
    UsageGpu,
    UsageHolder,
    UsageJournal,
    UsagePeriod,
    UsageProcess,
    UsageShare,
    UsageSlice,
    UsageSpan,
)
from monitor.telemetry.schema import EndedProcess, Gpu, GpuProcess
from monitor.usage.records import load_journals
from monitor.usage.reports import GROUPINGS, Report, usage
from monitor.usage.slices import SLICE_SECONDS
from tests.usage.scene import START, Scene, of, seen

TOLERANCE = 1e-3


class Step(NamedTuple):
    """What happens for a while."""

    minutes: float
    event: str
    """read, hang, kill, restart, clock or away (the server is off)."""
    clock: float
    gpus: tuple[Gpu, ...]


def users(index: int) -> st.SearchStrategy[GpuProcess]:
    return st.builds(
        lambda user, pid, start, memory, sm: of(
            user, pid, started_at=START + start, memory_used_bytes=memory, sm_utilization_percent=sm
        ),
        user=st.sampled_from(["ana", "bo", "cy", ""]),
        pid=st.integers(1, 4),
        start=st.sampled_from([0.0, 1000.0]),
        memory=st.sampled_from([None, 0, 4 << 20, 8 << 30]),
        sm=st.sampled_from([None, 0.0, 30.0, 90.0]),
    )


def gpus(index: int) -> st.SearchStrategy[Gpu]:
    return st.builds(
        lambda processes, state, utilization, ended: seen(
            index,
            *{each.pid: each for each in processes}.values(),
            state=state,
            utilization_percent=utilization,
            ended_processes=ended,
        ),
        processes=st.lists(users(index), max_size=3),
        state=st.sampled_from(["ok", "ok", "ok", "lost", "asleep"]),
        utilization=st.sampled_from([None, 0.0, 50.0, 100.0]),
        ended=st.none() | st.tuples(st.builds(EndedProcess, pid=st.integers(1, 9), seconds=st.floats(0.0, 30.0))),
    )


BUSY = (seen(0, of("ana")),)
BOTH = (*BUSY, seen(1, of("bo")))
steps = st.builds(
    Step,
    minutes=st.sampled_from([0.5, 4.0, 17.0, 40.0]),
    event=st.sampled_from(["read", "read", "hang", "kill", "restart", "clock", "clock", "away"]),
    clock=st.sampled_from([-5000.0, -700.0, -3.0, 3.0, 700.0, 5000.0]),
    gpus=st.sampled_from([(0,), (0, 1), (0, 1)]).flatmap(lambda indexes: st.tuples(*map(gpus, indexes))),
)


def play(scene: Scene, happenings: list[Step]) -> Iterator[float]:
    """The times at which something changed."""
    for step in happenings:
        yield scene.wall
        if step.event == "clock":
            scene.ahead += step.clock
        elif step.event in ("kill", "restart", "away"):
            if step.event != "kill":
                scene.ledger.write_now()
            scene.now += 10 if step.event == "kill" else 1800
            scene.restarted()
        if step.event == "hang":
            scene.goes(step.minutes * 60, *step.gpus, step=30.0, poll_interval_seconds=30.0, stale=True)
        else:
            scene.goes(step.minutes * 60, *step.gpus, step=30.0, poll_interval_seconds=30.0)
    yield scene.wall


def assert_adds_up(report: Report) -> None:
    parts = report.users_seconds + report.nobody_seconds + report.free_seconds + report.unknown_seconds
    assert parts == pytest.approx(report.gpu_seconds, rel=TOLERANCE, abs=0.01)


def assert_no_slice_is_overfull() -> None:
    """Unknown time is what is left, so a sum alone would hide seconds that are counted twice."""
    known: Counter[tuple[str, int]] = Counter()
    for row in UsageSlice.objects.select_related("gpu"):
        known[row.gpu.uuid, row.start] += row.busy_ms + row.held_ms + row.free_ms + row.lost_ms + row.unread_ms
    for journal in load_journals().values():
        for gpu in journal.gpus.values():
            if not gpu.account.is_recorded_elsewhere:
                known[gpu.uuid, gpu.account.start] += round(gpu.account.known * 1000)
    assert {place: ms for place, ms in known.items() if ms > SLICE_SECONDS * 1000 + 5} == {}


def clear() -> None:
    """Hypothesis plays many scenes in one test."""
    for model in (UsageJournal, UsageSlice, UsageShare, UsageProcess, UsageSpan, UsagePeriod, UsageHolder, UsageGpu):
        model._default_manager.all().delete()


@pytest.mark.django_db
@given(
    happenings=st.lists(steps, min_size=1, max_size=8),
    edges=st.tuples(st.floats(-1000, 12_000), st.floats(0, 12_000)),
)
@example(
    happenings=[Step(40.0, "read", 0.0, BUSY), Step(40.0, "clock", -5000.0, BUSY), Step(17.0, "read", 0.0, BUSY)],
    edges=(0.0, 9000.0),
)
@example(  # a GPU that is removed after the clock was set back is recorded for longer than the clock says
    happenings=[Step(40.0, "read", 0.0, BOTH), Step(4.0, "clock", -2000.0, BOTH), Step(17.0, "read", 0.0, BUSY)],
    edges=(0.0, 9000.0),
)
@settings(max_examples=15)
def test_every_second_of_a_gpu_is_counted_once(happenings: list[Step], edges: tuple[float, float]) -> None:
    clear()
    scene = Scene()
    times = []
    for at in play(scene, happenings):
        times.append(at)
        assert_no_slice_is_overfull()
        assert_adds_up(usage(min(times), max(times), "user", now=scene.wall))
    scene.ledger.write_now()
    assert scene.ledger.problem is None
    assert_no_slice_is_overfull()
    for row in UsageSlice.objects.all():
        shares = sum(UsageShare.objects.filter(start=row.start, gpu=row.gpu_id).values_list("share_ms", flat=True))
        assert shares + row.nobody_ms == pytest.approx(row.busy_ms + row.held_ms, abs=5)
    spans = [(min(times), max(times)), (START + edges[0], START + edges[0] + edges[1])]
    for start, end in spans:
        reports = [usage(start, end, by, now=scene.wall) for by in GROUPINGS]
        for report in reports:
            assert_adds_up(report)
            assert sum(row.share_seconds for row in report.rows) == pytest.approx(report.users_seconds)
            assert report.gpu_seconds <= 2 * max(0.0, report.end - report.start) + 0.01
        assert {round(report.users_seconds, 3) for report in reports} == {round(reports[0].users_seconds, 3)}


@pytest.mark.django_db
@given(st.lists(st.tuples(st.integers(1, 100), st.tuples(gpus(0), gpus(1))), min_size=1, max_size=5))
@settings(max_examples=10)
def test_totals_are_those_of_a_plain_sum_over_the_readings(happenings: list[tuple[int, tuple[Gpu, ...]]]) -> None:
    clear()
    scene = Scene()
    scene.goes(30, *happenings[0][1], step=30.0, poll_interval_seconds=30.0)
    plain = dict.fromkeys(("users", "nobody", "free", "lost", "unread"), 0)
    for half_minutes, both in happenings:
        seconds = half_minutes * 30
        scene.goes(seconds, *both, step=30.0, poll_interval_seconds=30.0)
        for each in both:
            plain[category(each)] += seconds
    report = scene.report()
    assert {
        "users": report.users_seconds,
        "nobody": report.nobody_seconds,
        "free": report.free_seconds,
        "lost": report.lost_seconds,
        "unread": report.unread_seconds,
    } == pytest.approx(plain, abs=0.5)


def category(gpu: Gpu) -> str:
    """What a reading says about a GPU, in the plainest way."""
    if gpu.state == "lost":
        return "lost"
    if gpu.use == "unknown":
        return "unread"
    if gpu.use == "free":
        return "free"
    return "users" if gpu.processes else "nobody"
