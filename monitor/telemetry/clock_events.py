"""NVML's clock event reasons, by their bit: why clocks are below the maximum."""

from __future__ import annotations

from collections.abc import Mapping

CLOCK_EVENT_REASONS: Mapping[int, str] = {
    0x1: "gpu_idle",
    0x2: "applications_clocks_setting",
    0x4: "sw_power_cap",
    0x8: "hw_slowdown",
    0x10: "sync_boost",
    0x20: "sw_thermal_slowdown",
    0x40: "hw_thermal_slowdown",
    0x80: "hw_power_brake_slowdown",
    0x100: "display_clocks_setting",
    0x200: "board_limit",
    0x400: "reliability",
}
"""nvmlClocksEventReason… of nvml.h. The other bits have no name and are reported as hexadecimal."""
