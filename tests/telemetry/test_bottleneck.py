"""Why a GPU is slow: one sentence, the strongest reason that its readings show, and never a guess."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.telemetry.bottleneck import LONGEST, NO_READINGS, NOT_READ, SILENT, bottleneck_of
from monitor.telemetry.gpu_use import IDLE_BY_DEFAULT
from monitor.telemetry.redaction import without_details
from monitor.telemetry.sampler.assessment import Assessment
from monitor.telemetry.schema import Bottleneck, Gpu, System
from tests.support.snapshots import GIB, gpu, host, process

THIN = "\u2009"
CAPPED = {"clock_event_reasons": ("sw_power_cap",), "sm_clock_mhz": 1590.0, "power_watts": 700.0}
IDLE = {"utilization_percent": 0.0}
JO = process(1, user="jo", memory_used_bytes=20 * GIB, cpu_percent=0.0)


def found(*, held_seconds: float | None = None, system: System | None = None, **changes: Any) -> Bottleneck:
    bottleneck = bottleneck_of(gpu(**changes), system, IDLE_BY_DEFAULT, held_seconds=held_seconds)
    assert isinstance(bottleneck, Bottleneck)
    return bottleneck


def words(**given: Any) -> str:
    return found(**given).text.replace(THIN, " ")


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (CAPPED, "Power limit: 1590 of 1980 MHz at 700 W"),
        ({**CAPPED, "power_watts": None}, "Power limit: 1590 of 1980 MHz"),
        ({**CAPPED, "sm_clock_max_mhz": None}, "Power limit: 1590 MHz at 700 W"),
        ({**CAPPED, "sm_clock_mhz": 1980.0}, "Nothing slows it down"),
        ({"clock_event_reasons": ("gpu_idle", "reliability")}, "Reliability limit: 990 of 1980 MHz"),
        ({"clock_event_reasons": ("0x800",)}, "Reason 0x800: 990 of 1980 MHz"),
        ({"clock_event_reasons": ("sync_boost", "board_limit"), "sm_clock_mhz": 1980.0}, "Nothing slows it down"),
        (
            {"clock_event_reasons": ("sw_thermal_slowdown",), "sm_clock_mhz": 1320.0, "temperature_celsius": 88.0},
            "Too hot: 1320 of 1980 MHz at 88 °C",
        ),
        ({"temperature_celsius": 87.0, "sm_clock_mhz": None}, "Too hot: 87 °C"),
        ({"temperature_celsius": 85.0}, "Almost too hot: 85 of 87 °C"),
        (
            {"clock_event_reasons": ("hw_power_brake_slowdown", "hw_slowdown"), "sm_clock_mhz": 600.0},
            "Power brake: 600 of 1980 MHz at 350 W",
        ),
        ({"clock_event_reasons": ("hw_slowdown",)}, "Hardware slowdown: 990 of 1980 MHz"),
        ({"clock_event_reasons": ("applications_clocks_setting",)}, "Clocks set to 990 of 1980 MHz"),
        ({"pcie_width": 8, "pcie_width_max": 16}, "PCIe ×8 of ×16: half the bandwidth"),
        ({"pcie_width": 4, "pcie_width_max": 16}, "PCIe ×4 of ×16: 1/4 of the bandwidth"),
        ({"pcie_width": 12, "pcie_width_max": 16}, "PCIe ×12 of ×16"),
        ({"pcie_generation": 3, "pcie_generation_max": 4}, "PCIe Gen 3 of 4: half the bandwidth"),
        ({"pcie_generation": 1, "pcie_generation_max": 4, **IDLE}, "Nothing slows it down"),
        ({"pcie_generation": 1, "pcie_generation_max": 6}, "PCIe Gen 1 of 6"),
        ({"pcie_generation": 1, "pcie_generation_max": 1 << 40}, "PCIe Gen 1 of 1099511627776"),
        ({"processes": (process(1, cpu_percent=100.4),)}, "Waiting for data: one CPU core at 100 %"),
        ({"processes": (process(1, cpu_percent=400.0),)}, "Nothing slows it down"),
        ({"processes": (process(1, cpu_percent=100.0),), "utilization_percent": 99.0}, "Nothing slows it down"),
        ({"processes": (JO,), **IDLE, "held_seconds": 47 * 60.0}, "Held by jo at 0 % for 47 min"),
        ({"processes": (JO,), **IDLE, "held_seconds": 3 * 3600 + 720.0}, "Held by jo at 0 % for 3 h 12 min"),
        ({"processes": (JO,), **IDLE, "held_seconds": 5.0}, "Held by jo at 0 %"),
        (
            {"processes": (JO, process(2, user="ana")), **IDLE, "held_seconds": 60.0},
            "Held by 2 users at 0 % for 1 min",
        ),
        ({"processes": (process(1, user=None),), **IDLE, "held_seconds": 60.0}, "Held at 0 % for 1 min"),
        ({"processes": (process(1, cpu_percent=9.0), process(2, user="jo", cpu_percent=9.0))}, "Shared by 2 users"),
        ({"persistence_mode": False, **IDLE}, "Persistence mode off: slow to start"),
        ({"clock_event_reasons": ("gpu_idle",), **IDLE}, "Nothing slows it down"),
        ({}, "Nothing slows it down"),
    ],
)
def test_sentence_names_the_reason(given: dict[str, Any], text: str) -> None:
    assert words(**given) == text


def test_busy_host_is_named_where_no_single_core_is() -> None:
    given = {"processes": (process(1, cpu_percent=700.0),)}
    assert words(system=System(cpu_percent=99.0), **given) == "Waiting for data: host CPU at 99 %"
    assert words(system=System(cpu_percent=50.0), **given) == "Nothing slows it down"


def test_strongest_reason_is_alone() -> None:
    narrow = {"pcie_width": 8, "pcie_width_max": 16}
    assert found(**CAPPED, **narrow).code == "power_limit"
    hot = ("sw_power_cap", "hw_thermal_slowdown", "hw_slowdown")
    assert found(**{**CAPPED, "clock_event_reasons": hot}, **narrow).code == "thermal"
    assert found(**narrow, processes=(process(1, cpu_percent=100.0),)).code == "pcie"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"state": "lost"}, NOT_READ),
        ({"state": "asleep"}, NOT_READ),
        ({"utilization_percent": None, "processes": None}, NO_READINGS),
        (dict.fromkeys(("utilization_percent", "temperature_celsius", "power_watts", "sm_clock_mhz")), SILENT),
    ],
)
def test_nothing_is_said_without_readings(changes: dict[str, Any], why: str) -> None:
    assert bottleneck_of(gpu(**changes), None, IDLE_BY_DEFAULT) == why


NUMBER = st.none() | st.floats(0, 1e5)
EVENTS = st.lists(
    st.sampled_from(["sw_power_cap", "hw_slowdown", "sw_thermal_slowdown", "hw_power_brake_slowdown", "gpu_idle",
                     "applications_clocks_setting", "0x1000"]),
).map(tuple)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    clock=NUMBER, most=NUMBER, power=NUMBER, temperature=NUMBER, share=st.none() | st.floats(0, 100), events=EVENTS,
    width=st.none() | st.integers(0, 32), generation=st.none() | st.integers(0, 9), user=st.none() | st.text(max_size=60),
    cpu=NUMBER, held=st.none() | st.floats(0, 1e9),
)  # fmt: skip
def test_any_readings_give_one_short_sentence(
    clock: Any, most: Any, power: Any, temperature: Any, share: Any, events: Any, width: Any, generation: Any, user: Any,
    cpu: Any, held: Any,
) -> None:  # fmt: skip
    reading = gpu(
        sm_clock_mhz=clock, sm_clock_max_mhz=most, power_watts=power, temperature_celsius=temperature,
        utilization_percent=share, clock_event_reasons=events, pcie_width=width, pcie_width_max=16,
        pcie_generation=generation, pcie_generation_max=7, processes=(process(1, user=user, cpu_percent=cpu),),
    )  # fmt: skip
    bottleneck = bottleneck_of(reading, None, IDLE_BY_DEFAULT, held_seconds=held)
    if isinstance(bottleneck, Bottleneck):
        assert 0 < len(bottleneck.text) <= LONGEST
        assert (bottleneck.level == "") == (bottleneck.code == "none")
    else:
        assert bottleneck


def test_time_of_an_idle_held_gpu_counts_from_when_it_was_first_seen_and_ends_with_work() -> None:
    tracker = Assessment(lambda: IDLE_BY_DEFAULT)
    idle, busy = gpu(processes=(JO,), **IDLE), gpu(processes=(JO,))

    def text(reading: Gpu, at: float) -> str:
        tracker.note((reading,), at)
        (shown,) = tracker.added_to((reading,), None, at)
        return "" if shown.bottleneck is None else shown.bottleneck.text.replace(THIN, " ")

    assert text(idle, 100.0) == "Held by jo at 0 %"
    assert text(idle, 100.0 + 47 * 60) == "Held by jo at 0 % for 47 min"
    assert text(busy, 3000.0) == "Nothing slows it down"
    assert text(idle, 3001.0) == "Held by jo at 0 %"


def test_snapshot_says_how_each_gpu_is_used() -> None:
    readings = (gpu(0), gpu(1, processes=(JO,), **IDLE), gpu(2, **IDLE), gpu(3, state="lost"))
    shown = Assessment(lambda: IDLE_BY_DEFAULT).added_to(readings, None, 1.0)
    assert [each.use for each in shown] == ["busy", "held", "free", "unknown"]


def test_unknown_bottleneck_has_its_reason() -> None:
    (shown,) = Assessment(lambda: IDLE_BY_DEFAULT).added_to((gpu(state="lost", unavailable={"fans": "x"}),), None, 1.0)
    assert shown.bottleneck is None
    assert shown.unavailable == {"fans": "x", "bottleneck": NOT_READ}


def test_who_holds_a_gpu_is_hidden_from_anonymous_viewers() -> None:
    held = msgspec.structs.replace(
        gpu(processes=(JO,), **IDLE),
        bottleneck=Bottleneck(code="held", level="info", text="Held by jo at x at 0 % for 47 min"),
    )
    (shown,) = without_details(host(held)).gpus
    assert shown.bottleneck == Bottleneck(code="held", level="info", text="Held at 0 % for 47 min")
