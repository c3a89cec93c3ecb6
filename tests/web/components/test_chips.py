"""Chips: short words, the most important first, with the rule or the reason in the tooltip."""

from __future__ import annotations

import pytest

from monitor.telemetry.schema import MigInstance
from monitor.web.components.chips import Chip, alerts_in_a_word, chips, mig_in_words
from tests.support.snapshots import alert, gpu, process


def words(*found: Chip) -> list[str]:
    return [chip.word for chip in found]


def test_throttle_reasons_are_shown_but_not_idle() -> None:
    assert words(*chips(gpu(clock_event_reasons=("gpu_idle", "sw_power_cap", "0x800")), "busy")) == [
        "Power cap",
        "0x800",
    ]


def test_two_thermal_reasons_are_one_chip_of_the_worse_level() -> None:
    (chip,) = chips(gpu(clock_event_reasons=("sw_thermal_slowdown", "hw_thermal_slowdown")), "busy")
    assert (chip.word, chip.level) == ("Thermal", "critical")
    assert "sw_thermal_slowdown" in chip.why
    assert "hw_thermal_slowdown" in chip.why


def test_power_limit_is_no_warning() -> None:
    (chip,) = chips(gpu(clock_event_reasons=("sw_power_cap",)), "busy")
    assert chip.level == ""


def test_limit_that_costs_nothing_has_no_chip() -> None:
    """The chip said that the GPU was throttled, and the sentence that nothing slows it down."""
    reasons = ("sw_power_cap", "sync_boost", "hw_slowdown")
    assert words(*chips(gpu(clock_event_reasons=reasons, sm_clock_mhz=1980.0), "busy")) == ["HW slowdown"]


def test_what_comes_and_goes_within_a_second_may_flicker_and_an_alert_does_not() -> None:
    made = chips(gpu(clock_event_reasons=("sw_power_cap",), performance_state="P0"), "held", [alert()])
    assert [(chip.word, chip.may_flicker) for chip in made] == [
        ("Too hot", False), ("Power cap", True), ("Idle-held", True), ("P0", False),
    ]  # fmt: skip


def test_lost_gpu_shows_since_when_and_the_rule_in_the_tooltip() -> None:
    lost = gpu(state="lost", since=1_790_000_000.0, performance_state="P0")
    (chip,) = chips(lost, "unknown", [alert(rule="GPU lost")])
    assert (chip.word, chip.level) == ("Lost", "critical")
    assert chip.since is not None
    assert chip.since.timestamp() == 1_790_000_000.0
    assert "“GPU lost”" in chip.why


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({}, "Too hot"),
        ({"value": 20.0, "rule": "Too cold"}, "Too cold"),
        ({"metric": "gpu.memory_used_percent", "value": 99.0, "threshold": 98.0}, "Memory full"),
        ({"metric": None, "value": None, "threshold": None, "rule": "Xid error"}, "Xid error"),
        ({"metric": None, "value": None, "threshold": None, "rule": "Thermal throttling"}, "Thermal…"),
        ({"metric": None, "value": None, "threshold": None, "rule": "Unübersichtlichkeit"}, "Unübersichtli…"),
    ],
)
def test_alert_is_one_or_two_words_with_its_rule_in_the_tooltip(changes: dict[str, object], word: str) -> None:
    """A rule's long name once left no room for the GPU's."""
    firing = alert(**changes)
    chip = chips(gpu(), "busy", [firing])[0]
    assert (chip.word, chip.level) == (word, "critical")
    assert f"“{firing.rule}”" in chip.why


def test_further_alerts_are_counted_and_named_in_the_tooltip() -> None:
    firing = [alert(), alert(2, severity="warning", rule="Memory nearly full")]
    assert alerts_in_a_word(firing) == "Too hot +1"
    assert "also “Memory nearly full”" in chips(gpu(), "busy", firing)[0].why


def test_alert_whose_condition_no_longer_holds_is_clearing() -> None:
    assert alerts_in_a_word([alert(is_clearing=True)]) == "Clearing"


def test_throttle_chip_does_not_repeat_the_alert() -> None:
    thermal = gpu(clock_event_reasons=("hw_thermal_slowdown",))
    rule = alert(rule="Thermal throttling", metric=None, value=None, threshold=None)
    assert words(*chips(thermal, "busy", [rule])) == ["Thermal…"]


def test_acknowledged_alert_names_who_acknowledged_it() -> None:
    quiet = alert(acknowledged_at=5.0, acknowledged_by="ana")
    assert "acknowledged by ana" in chips(gpu(), "busy", [quiet])[0].why


def test_mig_counts_the_instances_in_use() -> None:
    instances = tuple(MigInstance(index=index) for index in range(3))
    split = gpu(
        mig_mode=True, mig_instances=instances, processes=(process(1, mig_instance=2), process(2, mig_instance=2))
    )
    assert mig_in_words(split) == "MIG 1 of 3"
    assert mig_in_words(gpu(mig_mode=True, mig_instances=instances, processes=None)) == "MIG"
    assert mig_in_words(gpu(mig_mode=True)) == "MIG"
