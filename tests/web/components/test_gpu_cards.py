"""Cards: the place of each reading, and the text for an unknown one."""

from __future__ import annotations

import pytest

from monitor.telemetry.gpu_use import IDLE_BY_DEFAULT, IdleLimits, use_of
from monitor.telemetry.schema import Fan, Gpu, MigInstance
from monitor.web.components.gpu_cards import Card
from monitor.web.components.live_pieces import LivePieces
from tests.support.snapshots import GIB, alert, gpu, process


def card(gpu: Gpu) -> Card:
    return Card(0, gpu, LivePieces(), "busy")


def test_reading_is_a_number_with_its_unit_beside_it() -> None:
    made = card(gpu())
    assert (made.utilization.text, made.memory.text, made.power.text, made.clock.text) == ("50", "20.0", "350", "990")
    assert made.power_meter.attributes == (("value", "50"),)


def test_zero_is_a_value() -> None:
    made = card(gpu(utilization_percent=0.0, power_watts=0.0))
    assert (made.utilization.text, made.power.text) == ("0", "0")
    assert made.utilization.attributes == ()


def test_unknown_value_is_a_dash_with_its_reason_and_no_meter() -> None:
    made = card(gpu(power_watts=None, unavailable={"power_watts": "no permission"}))
    assert made.power.text == "—"
    assert dict(made.power.attributes) == {"data-unknown": "", "title": "no permission"}
    assert "data-unknown" in dict(made.power_meter.attributes)


@pytest.mark.parametrize(
    ("fans", "text", "unit", "tooltip"),
    [
        ((Fan(speed_percent=42.0),), "42", "%", None),
        ((Fan(speed_percent=30.0), Fan(speed_percent=100.0)), "100", "%", "30 · 100\u2009%"),
        ((Fan(speed_percent=0.0, speed_rpm=90.0), Fan(speed_percent=30.0)), "30", "%", "0 · 30\u2009%"),
        ((Fan(speed_rpm=1061.0),), "1061", "RPM", None),
        ((Fan(speed_percent=30.0), Fan()), "30", "%", "30 · —\u2009%"),
    ],
)
def test_fastest_fan_is_shown_and_all_are_in_the_tooltip(
    fans: tuple[Fan, ...], text: str, unit: str, tooltip: str | None
) -> None:
    """All of them once moved the columns of the card."""
    made = card(gpu(fans=fans))
    assert (made.fans.text, made.fans_unit) == (text, unit)
    assert dict(made.fans.attributes).get("title") == tooltip


def test_board_without_fans_says_so() -> None:
    assert "chassis" in dict(card(gpu(fans=())).fans.attributes)["title"]


SILENT = dict.fromkeys(("utilization_percent", "temperature_celsius", "power_watts", "sm_clock_mhz"))


@pytest.mark.parametrize(
    ("changes", "use"),
    [
        ({"utilization_percent": 1.0}, "busy"),
        ({"utilization_percent": 1.0, "processes": None}, "busy"),
        ({"utilization_percent": 5.1, "processes": (process(1),)}, "busy"),
        ({"utilization_percent": 5.0, "processes": (process(1),)}, "held"),
        ({"utilization_percent": 0.0, "processes": (process(1),)}, "held"),
        ({"utilization_percent": 0.0, "processes": (process(1, memory_used_bytes=GIB // 2),) * 2}, "held"),
        ({"utilization_percent": 0.0, "processes": (process(1, memory_used_bytes=GIB - 1),)}, "free"),
        ({"utilization_percent": 3.0, "processes": (process(1, memory_used_bytes=GIB - 1),)}, "busy"),
        ({"utilization_percent": 0.0, "processes": (process(1, memory_used_bytes=None),)}, "held"),
        (
            {
                "utilization_percent": 0.0,
                "processes": (process(1, memory_used_bytes=None),),
                "memory_used_bytes": GIB // 2,
            },
            "free",
        ),
        (
            {"utilization_percent": 0.0, "processes": (process(1, memory_used_bytes=None),), "memory_used_bytes": None},
            "unknown",
        ),
        ({"utilization_percent": 0.0}, "free"),
        ({"utilization_percent": 0.0, "processes": None}, "unknown"),
        ({"utilization_percent": None, "processes": (process(1),)}, "busy"),
        ({"utilization_percent": None}, "free"),
        ({"utilization_percent": None, "memory_used_bytes": None}, "unknown"),
        ({**SILENT, "memory_used_bytes": 0}, "unknown"),
        ({**SILENT, "memory_used_bytes": 0, "power_watts": 20.0}, "free"),
        ({**SILENT, "processes": (process(1),)}, "busy"),
        (
            {
                "utilization_percent": None,
                "memory_used_bytes": None,
                "mig_mode": True,
                "mig_instances": (MigInstance(index=0, memory_used_bytes=GIB),),
            },
            "free",
        ),
        ({"state": "lost"}, "unknown"),
        ({"state": "asleep"}, "free"),
    ],
)
def test_gpu_is_busy_idle_held_or_free(changes: dict[str, object], use: str) -> None:
    assert use_of(gpu(**changes), IDLE_BY_DEFAULT) == use


def test_idle_limits_of_the_settings_decide_whether_a_gpu_is_held() -> None:
    busy_a_little = gpu(utilization_percent=10.0, processes=(process(1, memory_used_bytes=GIB),))
    assert use_of(busy_a_little, IdleLimits(memory_bytes=GIB, utilization_percent=10.0)) == "held"
    assert use_of(busy_a_little, IdleLimits(memory_bytes=GIB, utilization_percent=9.0)) == "busy"
    assert use_of(busy_a_little, IdleLimits(memory_bytes=2 * GIB, utilization_percent=10.0)) == "busy"


def test_gpu_at_its_own_slowdown_temperature_is_outlined() -> None:
    assert dict(card(gpu(temperature_celsius=86.0)).state.attributes)["data-level"] == ""
    assert dict(card(gpu(temperature_celsius=87.0)).state.attributes)["data-level"] == "critical"
    hot_without_limit = gpu(temperature_celsius=120.0, slowdown_temperature_celsius=None)
    assert dict(card(hot_without_limit).state.attributes)["data-level"] == ""


def test_new_numbers_keep_the_structure_and_a_new_limit_changes_it() -> None:
    assert Card.key(gpu()) == Card.key(gpu(utilization_percent=1.0, temperature_celsius=None, power_watts=3.0))
    assert Card.key(gpu()) != Card.key(gpu(power_limit_watts=500.0))


@pytest.mark.parametrize("severity", ["warning", "critical"])
def test_firing_gpu_is_outlined(severity: str) -> None:
    assert (
        dict(Card(0, gpu(), LivePieces(), "busy", (alert(severity=severity),)).state.attributes)["data-level"]
        == severity
    )


def test_info_alert_does_not_outline_its_gpu() -> None:
    made = Card(0, gpu(), LivePieces(), "busy", (alert(severity="info"),))
    assert dict(made.state.attributes)["data-level"] == ""
    assert "Thermal slowdown" in made.chips.draw()


def test_card_has_two_chips_at_most() -> None:
    many = gpu(clock_event_reasons=("sw_power_cap", "sync_boost"), performance_state="P0", mig_mode=True)
    assert Card(0, many, LivePieces(), "held", (alert(),)).chips.draw().count('class="chip"') == 2


def test_process_count_leads_to_the_gpus_processes() -> None:
    assert card(gpu(3)).processes_link == "?layout=cards&filter=gpu:3#processes"
