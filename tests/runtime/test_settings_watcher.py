"""The settings watcher: it applies settings saved by another process and reports a failure until it ends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from monitor.config.model import Config
from monitor.models import SiteSettings
from monitor.runtime.effective_config import EffectiveConfig
from monitor.runtime.settings_watcher import SettingsWatcher
from tests.support.runtimes import default_config
from tests.support.servers import wait_for

pytestmark = pytest.mark.django_db(transaction=True)


class Scene:
    """A watcher without pauses between checks, and the settings it applied."""

    def __init__(self) -> None:
        self.applied: list[int] = []
        self.is_broken = False
        self.watcher = SettingsWatcher(
            EffectiveConfig(default_config()), self._apply, poll_seconds=0.01, start_wait_seconds=30.0
        )

    def _apply(self, config: Config) -> None:
        if self.is_broken:
            raise RuntimeError("no such sampler")
        self.applied.append(config.poll_interval_ms)


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    made.watcher.stop(30.0)


def test_settings_of_the_admin_are_applied_before_the_start_returns(scene: Scene) -> None:
    SiteSettings.objects.create(overrides={"poll_interval_ms": 250})
    scene.watcher.start()
    assert scene.applied == [250]
    assert scene.watcher.problem is None


def test_settings_saved_by_another_process_are_applied_once(scene: Scene) -> None:
    scene.watcher.start()
    assert scene.applied == []
    SiteSettings.objects.create(overrides={"poll_interval_ms": 500})
    wait_for(lambda: scene.applied, "the change to be applied")
    SiteSettings.objects.update(overrides={"poll_interval_ms": 300})
    wait_for(lambda: len(scene.applied) > 1, "the next change to be applied")
    assert scene.applied == [500, 300]


def test_settings_that_cannot_be_applied_are_logged_once_as_a_problem_and_retried(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.is_broken = True
    SiteSettings.objects.create(overrides={"poll_interval_ms": 250})
    scene.watcher.start()
    assert scene.watcher.problem == "changed settings could not be applied (RuntimeError: no such sampler)"
    scene.is_broken = False
    wait_for(lambda: scene.watcher.problem is None, "the next try")
    assert scene.applied == [250]
    assert caplog.text.count("changed settings could not be applied") == 1
