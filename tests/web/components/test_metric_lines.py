"""The lines of /history and their figures."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.history.metrics import GPU_METRICS, HOST_METRICS, metric_of
from monitor.web.components.metric_lines import CHOICES, lines_of, sources_of, summary
from tests.web.answers import answer


def test_every_metric_can_be_chosen_and_the_host_stands_beside_its_like() -> None:
    shown = {each.of_gpus for each in CHOICES} | {each.of_host for each in CHOICES}
    assert shown - {""} == {metric.name for metric in (*GPU_METRICS, *HOST_METRICS)}
    assert len({each.name for each in CHOICES}) == len(CHOICES)
    pairs = {each.of_gpus: each.of_host for each in CHOICES}
    assert (pairs["utilization_percent"], pairs["memory_used_percent"]) == ("cpu_percent", "memory_used_percent")


def test_mean_is_weighted_by_the_time_that_each_bucket_covers() -> None:
    found = answer("GPU-0", "power_watts", [(90, 100, 120), None, (150, 200, 700)], seconds=[60, 60, 20])
    assert summary(found) == (125, 90, 700)
    assert summary(answer("GPU-0", "power_watts", [None])) == (None, None, None)


def test_energy_is_summed() -> None:
    assert summary(answer("GPU-0", "energy_joules", [(5, 5, 5), None, (7, 7, 7)], seconds=[60, 60, 20])) == (12, 5, 7)


@given(st.lists(st.tuples(st.floats(0, 1000), st.floats(0.1, 60)), min_size=1))
def test_mean_lies_between_the_lowest_and_the_highest_value(values: list[tuple[float, float]]) -> None:
    found = answer("x", "power_watts", [(v, v, v) for v, _ in values], seconds=[seconds for _, seconds in values])
    mean, low, high = summary(found)
    assert mean is not None
    assert low is not None
    assert high is not None
    assert low - 1e-6 <= mean <= high + 1e-6


def test_ninth_gpu_and_the_host_have_no_hue_of_their_own() -> None:
    found = next(each for each in CHOICES if each.name == "utilization_percent")
    sources = sources_of(found, [(f"GPU-{index}", f"GPU {index}") for index in range(9)])
    lines = lines_of(sources, [], [])
    assert [line.hue for line in lines] == [*"12345678", "others", "others"]
    assert [line.is_shown for line in lines] == [True] * 9 + [False]
    assert [line.is_shown for line in lines_of(sources, [], ["GPU-1", "host"])] == [False, True, *[False] * 7, True]


def test_metric_of_the_host_alone_is_one_line_that_is_shown() -> None:
    found = next(each for each in CHOICES if each.name == "load_1m")
    lines = lines_of(sources_of(found, [("GPU-0", "GPU 0")]), [answer("host", "load_1m", [(0.5, 1.25, 3)])], [])
    assert [(line.name, line.is_shown, line.mean, line.low, line.high) for line in lines] == [
        ("Host", True, "1.25", "0.50", "3.00")
    ]


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("memory_used_bytes", 85899345920, "80.0 GiB"),
        ("pcie_rx_bytes_per_second", 1.26e10, "12.6 GB/s"),
        ("energy_joules", 3.6e6, "1.000 kWh"),
        ("temperature_celsius", 61.6, "62 °C"),
    ],
)
def test_values_are_shown_in_the_units_of_the_pages(name: str, value: float, text: str) -> None:
    assert metric_of(name).form.text(value) == text.replace(" ", "\u2009")
