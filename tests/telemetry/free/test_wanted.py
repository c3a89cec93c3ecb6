"""What is wanted of free GPUs, as people write it."""

from __future__ import annotations

import pytest

from monitor.telemetry.free.wanted import Wanted, memory_of, seconds_of, wanted_of

GIB = 1 << 30


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("20GiB", 20 * GIB), ("20gib", 20 * GIB), ("20 GiB", 20 * GIB), ("20Gi", 20 * GIB), ("1.5GiB", 3 * GIB // 2),
        ("20GB", 20 * 10**9), ("20G", 20 * 10**9), ("512MiB", 512 << 20), ("1TiB", 1 << 40), ("0", 0),
    ],
)  # fmt: skip
def test_memory_is_an_amount_with_its_unit(text: str, size: int) -> None:
    assert memory_of(text) == size


@pytest.mark.parametrize(
    "text", ["20", "1048576", "", "GiB", "20 PiB", "-1GiB", "1e9", "٢GiB", "20GiBGiB", "20 \u212aB"]
)
def test_other_memory_is_refused_and_a_bare_20_is_no_amount(text: str) -> None:
    with pytest.raises(ValueError, match="such as 20GiB"):
        memory_of(text)


@pytest.mark.parametrize(("text", "seconds"), [("60", 60), ("60s", 60), ("5min", 300), ("1.5 h", 5400), ("24h", 86400)])
def test_idle_time_is_a_duration(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "1d", "-1", "nan", "inf", "1e3", "٢"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="such as 60s"):
        seconds_of(text)


def test_parameters_together() -> None:
    given = {"count": "2", "memory": "20GiB", "idle_for": "60", "exclude": "0, GPU-1,"}
    assert wanted_of(given) == Wanted(2, 20 * GIB, 60.0, frozenset({"0", "GPU-1"}))
    assert wanted_of({}) == Wanted()


@pytest.mark.parametrize("given", [{"count": "0"}, {"count": "257"}, {"count": "two"}, {"gpus": "2"}])
def test_wrong_parameters_are_refused(given: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"1 to 256|unknown parameter 'gpus'"):
        wanted_of(given)
