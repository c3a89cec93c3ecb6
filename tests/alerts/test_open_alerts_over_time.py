"""What the engine shows of an open alert while the GPU cools down, the rule flaps, or the clock is set."""

from __future__ import annotations

import pytest

from monitor.alerts.engine import CLEAN_SECONDS
from monitor.models import AlertEvent, AlertRule
from monitor.rules.sentences import lasted_seconds
from tests.alerts.engine_scene import COOL, HOT, Scene, rule
from tests.support.snapshots import gpu

pytestmark = pytest.mark.django_db


@pytest.fixture
def scene(db: None) -> Scene:
    AlertRule.objects.all().delete()
    return Scene()


def test_alert_is_shown_as_clearing_from_the_moment_its_condition_no_longer_holds(scene: Scene) -> None:
    rule(for_seconds=0, clear_threshold=80, clear_for_seconds=30)
    scene.goes(1, COOL)
    for board, is_clearing in (
        (HOT, False),
        (gpu(temperature_celsius=85), False),  # below the threshold, and above where it clears
        (COOL, True),
        (COOL, True),
        (HOT, False),
        (COOL, True),
    ):
        scene.goes(1, board)
        assert [alert.is_clearing for alert in scene.shown[-1]] == [is_clearing]


@pytest.mark.parametrize("jump", [-3600.0, 3600.0, 20_000 * 86_400.0])
def test_length_of_an_alert_stays_true_when_the_clock_is_set(scene: Scene, jump: float) -> None:
    """Boards without a clock of their own start in the past: the alert then lasted for decades."""
    rule(for_seconds=0, clear_for_seconds=0)
    rule(name="slow", for_seconds=120)
    for _ in range(5):
        scene.goes(1, HOT)
    scene.ahead = jump
    for _ in range(5):
        scene.goes(1, HOT)
    (shown,) = scene.shown[-1]  # `slow` has not fired
    assert lasted_seconds(shown, scene.now + jump) == pytest.approx(9)
    scene.goes(1, COOL)
    stored = AlertEvent.objects.get()
    assert stored.resolved_at is not None
    assert (stored.resolved_at - stored.fired_at).total_seconds() == pytest.approx(10)
    assert stored.summary.endswith("for 10\u2009s")


def test_clock_that_drifts_a_little_moves_nothing(scene: Scene) -> None:
    rule(for_seconds=0)
    for number in range(5):
        scene.goes(1, HOT, time=scene.now + 1 + number * 0.5)
    assert scene.shown[-1][0].fired_at == 1_000_001.0


def test_open_alert_tells_how_often_it_fired_in_the_last_hour(scene: Scene) -> None:
    rule(for_seconds=0, clear_for_seconds=0)
    scene.goes(1, COOL)
    for _ in range(3):
        scene.goes(10, HOT)
        scene.goes(10, COOL)
    scene.goes(10, HOT)
    scene.goes(10, HOT)  # the next look at the database
    assert [alert.times_in_last_hour for alert in scene.shown[-1]] == [4]
    for _ in range(130):
        scene.goes(30, HOT)
    assert [alert.times_in_last_hour for alert in scene.shown[-1]] == [1]


def test_wrong_date_deletes_no_alert_history(scene: Scene) -> None:
    """A clock can be years ahead for a moment."""
    rule(for_seconds=0, clear_for_seconds=0)
    for seconds, board in ((1, COOL), (1, HOT), (1, COOL), (CLEAN_SECONDS - 10, COOL)):
        scene.goes(seconds, board)
    scene.ahead = 50 * 365 * 86_400.0
    scene.goes(20, COOL)
    scene.goes(20, COOL)
    scene.ahead = 0.0
    scene.goes(5, COOL)
    assert AlertEvent.objects.count() == 1
    scene.goes(90 * 86_400, COOL)
    scene.goes(CLEAN_SECONDS, COOL)
    assert AlertEvent.objects.count() == 0
