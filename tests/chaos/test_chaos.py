"""A short storm. `make chaos` is a long one."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.chaos import weather
from tests.chaos.storm import storm
from tests.chaos.world import world

pytestmark = pytest.mark.slow
SHORT = (
    weather.driver_hangs,
    weather.gpu_lost,
    weather.database_locked,
    weather.sampler_killed,
    weather.server_killed,
    weather.clock_set,
)


def test_everything_holds_in_bad_weather(tmp_path: Path, fake_library: Path) -> None:
    with world(tmp_path) as made:
        storm(made, SHORT, random.Random(1))
        assert made.heat_count == 3
