"""Simulated GPUs follow the schema's rules, behave like real ones, and are labelled as simulated."""

from __future__ import annotations

import itertools

import msgspec
import pytest

from monitor.telemetry.options import Options
from monitor.telemetry.providers.simulated import Simulated
from monitor.telemetry.schema import Reading
from tests.telemetry.providers.reader import check_rules


def opened(gpus: int = 8) -> Simulated:
    provider = Simulated(Options(simulated_gpus=gpus))
    provider.open()
    return provider


@pytest.mark.parametrize("now", [0.0, 1_790_000_000.0, 1_790_000_123.4])
def test_every_value_follows_the_rules_of_the_schema(now: float) -> None:
    reading = opened(70).read(now)
    assert len(reading.gpus) == 70
    check_rules(msgspec.json.decode(msgspec.json.encode(reading), type=Reading))


def test_equal_times_give_equal_readings_and_different_times_different_ones() -> None:
    assert opened().read(1000.0) == opened().read(1000.0)
    assert opened().read(1000.0) != opened().read(1000.2)


def test_energy_rises_and_identity_is_constant() -> None:
    provider = opened()
    readings = [provider.read(1000.0 + second) for second in range(0, 600, 7)]
    for before, after in itertools.pairwise(readings):
        for gpu, later in zip(before.gpus, after.gpus, strict=True):
            assert (later.energy_joules or 0) > (gpu.energy_joules or 0)
            assert later.uuid == gpu.uuid


def test_demo_shows_busy_idle_and_hot_gpus_and_mig() -> None:
    provider = opened(8)
    readings = [provider.read(1000.0 + second) for second in range(300)]
    gpus = [gpu for reading in readings for gpu in reading.gpus]
    assert any((gpu.utilization_percent or 0) > 95 for gpu in gpus)
    assert any(gpu.utilization_percent == 0 and gpu.processes for gpu in gpus)
    assert any(not gpu.processes for gpu in gpus)
    assert any("hw_thermal_slowdown" in (gpu.clock_event_reasons or ()) for gpu in gpus)
    assert any(len(gpu.mig_instances) == 3 for gpu in gpus)


def test_readings_are_labelled_as_simulated() -> None:
    assert opened().is_simulated
    assert [notice.code for notice in opened(1).read(0.0).notices] == ["simulated"]


def test_hot_spell_lasts_long_enough_for_its_alerts_to_be_seen() -> None:
    """The default rules fire after 30 and 60 s."""
    provider = Simulated(Options(simulated_gpus=3))
    provider.open()
    hot = [provider.read(float(second)).gpus[2].temperature_celsius == 88 for second in range(720)]
    spells = "".join("x" if each else " " for each in hot).split()
    assert max(map(len, spells)) >= 120
    assert hot.count(False) > hot.count(True)
