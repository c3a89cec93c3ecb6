"""The display formats of numbers."""

from __future__ import annotations

import pytest

from monitor import formats
from monitor.formats import GIB, MIB, Form

THIN = "\u2009"


@pytest.mark.parametrize(
    ("form", "value", "text"),
    [
        (formats.PERCENT, 0, "0 %"),
        (formats.PERCENT, 99.6, "100 %"),
        (formats.WATTS, 697.6, "698 W"),
        (formats.KILOWATTS, 4110, "4.11 kW"),
        (formats.CELSIUS, 64.4, "64 °C"),
        (formats.MHZ, 1980, "1980 MHz"),
        (formats.GIBIBYTES, 71.24 * GIB, "71.2 GiB"),
        (formats.MEBIBYTES, 512 * MIB, "512 MiB"),
        (formats.GIGABYTES_PER_SECOND, 11.84e9, "11.8 GB/s"),
        (formats.LOAD, 14.2, "14.20"),
        (formats.COUNT, 64, "64"),
        (formats.ON_OFF, True, "on"),
        (formats.ON_OFF, False, "off"),
    ],
)
def test_number_is_followed_by_a_thin_space_and_its_unit(form: Form, value: float, text: str) -> None:
    assert form.text(value) == text.replace(" ", THIN)


def test_unit_follows_from_the_total_and_does_not_change_with_the_value() -> None:
    assert formats.memory_form(80 * GIB).number(300 * MIB) == "0.3"
    assert formats.memory_form(512 * MIB).unit == "MiB"
    assert formats.memory_form(None).unit == "GiB"
    assert formats.memory_form(1024 * GIB - 1).unit == "GiB"
    assert formats.memory_form(5120 * GIB).text(2507.2 * GIB) == "2.45 TiB".replace(" ", THIN)
    assert formats.power_form(700).number(99) == "99"
    assert formats.power_form(5600).number(99) == "0.10"
    assert formats.power_form(None).unit == "W"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0.0 GiB"), (MIB, "1 MiB"), (GIB - 1, "1024 MiB"), (GIB, "1.0 GiB"), (71.2 * GIB, "71.2 GiB"),
        (1536 * GIB, "1.50 TiB"),
    ],
)  # fmt: skip
def test_amount_without_a_total_is_in_mib_below_one_gib(value: float, text: str) -> None:
    assert formats.memory(value) == text.replace(" ", THIN)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.9, "59 s"),
        (72, "1 min 12 s"),
        (3600, "1 h 0 min"),
        (41 * 86400 + 6 * 3600 + 59, "41 d 6 h"),
        (-1, "—"),
    ],
)
def test_duration_is_shown_in_its_two_largest_units(seconds: float, text: str) -> None:
    assert [part.replace(THIN, " ") for part in [formats.duration(seconds)]] == [text]


@pytest.mark.parametrize(
    ("joules", "text"),
    [(0, "0 Wh"), (3600 * 999, "999 Wh"), (3.6e6, "1 kWh"), (3.6e6 * 723.4, "723 kWh"), (3.6e9 * 18.42, "18.4 MWh")],
)
def test_energy_is_shown_in_the_unit_that_fits(joules: float, text: str) -> None:
    assert formats.energy(joules) == text.replace(" ", THIN)


@pytest.mark.parametrize(
    ("seconds", "text"), [(59.9, "59 s"), (725, "12 min"), (86399, "23 h"), (41 * 86400, "41 d"), (-1, "—")]
)
def test_rough_duration_has_one_unit(seconds: float, text: str) -> None:
    assert formats.rough_duration(seconds) == text.replace(" ", THIN)
