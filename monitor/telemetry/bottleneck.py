"""What slows a GPU down, in one sentence of at most 42 characters: the strongest reason that its readings show, alone."""

from __future__ import annotations

from collections.abc import Iterator

from monitor import formats
from monitor.telemetry.gpu_use import IdleLimits, is_hot, is_silent, use_of
from monitor.telemetry.schema import Bottleneck, BottleneckCode, Gpu, GpuProcess, System

LONGEST = 42
"""Characters: a line of a card."""
NEAR_CELSIUS = 3.0
"""So close below its slowdown temperature, a GPU is about to lower its clocks."""
_CLOSE_TO_MAX = 0.98
"""From this share of the highest clock on, a limit costs nothing."""
_WAITS_BELOW_PERCENT = 80.0
"""A busier GPU does not wait for the host."""
_ONE_CORE = (95.0, 115.0)
"""CPU of a process that one busy thread holds up, in percent of a core."""
_HOST_IS_BUSY_PERCENT = 95.0
_BUSY_PERCENT = 50.0
"""PCIe lowers its generation while the GPU does little; above this it does not."""
_SLOWDOWNS = frozenset({"hw_thermal_slowdown", "sw_thermal_slowdown", "hw_power_brake_slowdown", "hw_slowdown"})
"""Clock-event reasons that always cost something; all others only below the highest clock."""
_CLOCK_LIMITS = {"board_limit": "Board limit", "reliability": "Reliability limit", "sync_boost": "Sync boost"}
_SHARES = {2: "half the bandwidth", 4: "1/4 of the bandwidth", 8: "1/8 of the bandwidth", 16: "1/16 of the bandwidth"}
_MOST_DOUBLINGS = 5
"""Of the bandwidth, by generation: more has no words. A number from elsewhere can be so large that the power takes minutes."""

NOT_READ = "the GPU is not read now"
SILENT = "the driver gives no readings of this GPU"
NO_READINGS = "neither utilization nor clock-event reasons are known"


def bottleneck_of(
    gpu: Gpu, system: System | None, idle: IdleLimits, *, held_seconds: float | None = None
) -> Bottleneck | str:
    """The bottleneck, or why none can be named. `held_seconds`: how long the GPU has been idle-held, as far as known."""
    if gpu.state != "ok":
        return NOT_READ
    if is_silent(gpu):
        return SILENT
    found = next(_reasons(gpu, system, idle, held_seconds), None)
    if found is not None:
        return found
    if gpu.utilization_percent is None and gpu.clock_event_reasons is None:
        return NO_READINGS
    return Bottleneck(code="none", text="Nothing slows it down")


def slowing_reasons(gpu: Gpu) -> tuple[str, ...]:
    """The clock-event reasons that slow the GPU down now: at its highest clock, a limit does not."""
    reasons = gpu.clock_event_reasons or ()
    return tuple([reason for reason in reasons if reason in _SLOWDOWNS]) if _is_at_maximum(gpu) else reasons


def _reasons(gpu: Gpu, system: System | None, idle: IdleLimits, held_seconds: float | None) -> Iterator[Bottleneck]:
    """Every reason, the strongest first."""
    events = slowing_reasons(gpu)
    if is_hot(gpu) or "hw_thermal_slowdown" in events or "sw_thermal_slowdown" in events:
        yield _of_clocks("thermal", "critical", "Too hot", gpu, _at(gpu.temperature_celsius, formats.CELSIUS))
    if "hw_power_brake_slowdown" in events:
        yield _of_clocks("power_brake", "critical", "Power brake", gpu, _at(gpu.power_watts, formats.WATTS))
    if "hw_slowdown" in events:
        yield _of_clocks("hardware_slowdown", "warning", "Hardware slowdown", gpu)
    if use_of(gpu, idle) == "held":
        yield _held(gpu, held_seconds)
    if "sw_power_cap" in events:
        yield _of_clocks("power_limit", "info", "Power limit", gpu, _at(gpu.power_watts, formats.WATTS))
    for event in events:
        if event in _CLOCK_LIMITS or event.startswith("0x"):
            yield _of_clocks("clock_limit", "info", _CLOCK_LIMITS.get(event, f"Reason {event}"), gpu)
    yield from _narrow_pcie(gpu)
    yield from _waiting(gpu, system)
    if "applications_clocks_setting" in events:
        yield _of_clocks("clocks_setting", "info", "Clocks set to", gpu, colon="")
    limit, temperature = gpu.slowdown_temperature_celsius, gpu.temperature_celsius
    if limit is not None and temperature is not None and temperature >= limit - NEAR_CELSIUS:
        words = f"Almost too hot: {temperature:.0f} of {formats.CELSIUS.text(limit)}"
        yield Bottleneck(code="thermal_near", level="warning", text=words)
    users = {process.user for process in gpu.processes or () if process.user is not None and _is_working(process)}
    if len(users) > 1:
        yield Bottleneck(code="shared", level="info", text=f"Shared by {len(users)} users")
    if gpu.persistence_mode is False and not gpu.processes:
        yield Bottleneck(code="persistence_mode_off", level="info", text="Persistence mode off: slow to start")


def _of_clocks(code: BottleneckCode, level: str, words: str, gpu: Gpu, at: str = "", *, colon: str = ":") -> Bottleneck:
    clock, most = gpu.sm_clock_mhz, gpu.sm_clock_max_mhz
    clocks = (
        "" if clock is None else formats.MHZ.text(clock) if most is None else f"{clock:.0f} of {formats.MHZ.text(most)}"
    )
    text = " ".join(part for part in (clocks, f"at {at}" if at and clocks else at) if part)
    return Bottleneck(code=code, level=level, text=f"{words}{colon} {text}" if text else words)  # type: ignore[arg-type]


def _at(value: float | None, form: formats.Form) -> str:
    return "" if value is None else form.text(value)


def _is_at_maximum(gpu: Gpu) -> bool:
    clock, most = gpu.sm_clock_mhz, gpu.sm_clock_max_mhz
    return clock is not None and most is not None and clock >= _CLOSE_TO_MAX * most


def _is_working(process: GpuProcess) -> bool:
    return process.sm_utilization_percent is None or process.sm_utilization_percent > 0


def _held(gpu: Gpu, held_seconds: float | None) -> Bottleneck:
    """Held by jo at 0 % for 47 min. A name that is too long is cut."""
    users = sorted({process.user for process in gpu.processes or () if process.user is not None})
    rest = f"at {formats.PERCENT.text(gpu.utilization_percent or 0)}"
    if held_seconds is not None and held_seconds >= 60:
        rest += f" for {_minutes(held_seconds)}"
    room = LONGEST - len("Held by  ") - len(rest)
    who = f"{len(users)} users" if len(users) > 1 else users[0] if users else ""
    if len(who) > room:
        who = f"{who[: room - 1]}…"
    text = f"Held by {who} {rest}" if who else f"Held {rest}"
    return Bottleneck(code="held", level="info", text=text)


def _minutes(seconds: float) -> str:
    """At most two units, none below minutes: 47 min, 3 h 12 min."""
    return formats.duration(seconds) if seconds >= 3600 else formats.rough_duration(seconds)


def _narrow_pcie(gpu: Gpu) -> Iterator[Bottleneck]:
    width, widest = gpu.pcie_width, gpu.pcie_width_max
    if width and widest and width < widest:
        share = _SHARES.get(widest // width) if widest % width == 0 else None
        yield Bottleneck(
            code="pcie", level="warning", text=f"PCIe ×{width} of ×{widest}" + (f": {share}" if share else "")
        )
    generation, newest = gpu.pcie_generation, gpu.pcie_generation_max
    if generation and newest and generation < newest and (gpu.utilization_percent or 0) >= _BUSY_PERCENT:
        share = _SHARES.get(1 << min(newest - generation, _MOST_DOUBLINGS))
        words = f"PCIe Gen {generation} of {newest}" + (f": {share}" if share else "")
        yield Bottleneck(code="pcie", level="warning", text=words)


def _waiting(gpu: Gpu, system: System | None) -> Iterator[Bottleneck]:
    utilization = gpu.utilization_percent
    if utilization is None or utilization >= _WAITS_BELOW_PERCENT or not gpu.processes:
        return
    least, most = _ONE_CORE
    cpu = max((process.cpu_percent for process in gpu.processes if process.cpu_percent is not None), default=0.0)
    if least <= cpu <= most:
        words = f"Waiting for data: one CPU core at {formats.PERCENT.text(min(cpu, 100.0))}"
        yield Bottleneck(code="waiting_for_data", level="info", text=words)
    host = None if system is None else system.cpu_percent
    if host is not None and host >= _HOST_IS_BUSY_PERCENT:
        words = f"Waiting for data: host CPU at {formats.PERCENT.text(host)}"
        yield Bottleneck(code="waiting_for_data", level="info", text=words)
