"""How values look: the number formats of the design, as (number, unit). A thin space stands before every unit."""

from __future__ import annotations

from collections.abc import Callable, Mapping

THIN = "\u2009"
GIB = 1 << 30
MIB = 1 << 20
Text = tuple[str, str]


def percent(value: float) -> Text:
    """Whole percent."""
    return f"{value:.0f}", "%"


def memory(value: float) -> Text:
    """GiB with one decimal, MiB below 1 GiB."""
    return (f"{value / MIB:.0f}", "MiB") if 0 < value < GIB else (f"{value / GIB:.1f}", "GiB")


def watts(value: float) -> Text:
    """Whole watts, from 1000 on kW with two decimals."""
    return (f"{value:.0f}", "W") if value < 1000 else (f"{value / 1000:.2f}", "kW")


def celsius(value: float) -> Text:
    """Whole degrees."""
    return f"{value:.0f}", "°C"


def mhz(value: float) -> Text:
    """Whole MHz."""
    return f"{value:.0f}", "MHz"


def bytes_per_second(value: float) -> Text:
    """GB/s with one decimal, MB/s below 0.1 GB/s."""
    return (f"{value / 1e9:.1f}", "GB/s") if value >= 1e8 or value == 0 else (f"{value / 1e6:.1f}", "MB/s")


def plain(value: object) -> Text:
    """Text or a number as it is."""
    return str(value), ""


def yes_no(value: bool) -> Text:
    """yes or no."""
    return ("yes" if value else "no"), ""


def load(value: float) -> Text:
    """Two decimals."""
    return f"{value:.2f}", ""


def duration(value: float) -> Text:
    """The two largest units: 41 d 6 h, 1 min 12 s."""
    seconds = int(value)
    parts = [
        (seconds // 86400, "d"),
        (seconds % 86400 // 3600, "h"),
        (seconds % 3600 // 60, "min"),
        (seconds % 60, "s"),
    ]
    while len(parts) > 1 and parts[0][0] == 0:
        parts.pop(0)
    return " ".join(f"{number}{THIN}{unit}" for number, unit in parts[:2]), ""


def fans(value: tuple[object, ...]) -> Text:
    """Every fan's speed in percent, or in turns a minute where that is all that is known."""
    texts = []
    for fan in value:
        share, turns = getattr(fan, "speed_percent", None), getattr(fan, "speed_rpm", None)
        texts.append(
            "—" if share is None and turns is None else f"{share:.0f}" if share is not None else f"{turns:.0f}"
        )
    is_rpm = bool(value) and all(getattr(fan, "speed_percent", None) is None for fan in value)
    return (" · ".join(texts), "RPM" if is_rpm else "%") if value else ("none", "")


FORMATS: Mapping[str, Callable[..., Text]] = {
    function.__name__: function
    for function in (
        percent, memory, watts, celsius, mhz, bytes_per_second, plain, yes_no, load, duration, fans,
    )
}  # fmt: skip
