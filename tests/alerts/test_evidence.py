"""Evidence as it is stored: what comes back, and in how few bytes."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.alerts.evidence import Evidence, Gap, GpuThen, KernelLine, Line, SeenXid, UnreadableEvidence, pack, unpack
from tests.support.snapshots import process


def test_everything_comes_back() -> None:
    evidence = Evidence(
        recorded_with="some id",
        times=(-2.0, -1.0, 0.0, 1.1),
        lines=(
            Line("gpu.temperature_celsius", (69.0, None, 88.0, 87.0)),
            Line("gpu.sm_clock_mhz", (None, None, None, None), 1980.0),
        ),
        gaps=(Gap(-1.0, -1.0, "no fresh reading"),),
        gpus=(
            GpuThen(5, "GPU-5", (process(7, command=None, unavailable={"command": "hidden"}),)),
            GpuThen(6, "G", None),
        ),
        unlisted_processes=3,
        xids=(SeenXid(-0.5, 5, 62, 2),),
        kernel_lines=(KernelLine(-0.4, 5, "NVRM: Xid (PCI:0000:3b:00): 62"),),
        kernel_log_note="only the first 20 lines of the kernel log are kept",
    )
    assert unpack(pack(evidence)) == evidence


@given(st.lists(st.none() | st.floats(-1e6, 1e6, allow_nan=False), max_size=40), st.sampled_from([1.0, 1e3, 1e9]))
def test_a_value_is_kept_to_a_ten_thousandth_of_its_range(values: list[float | None], scale: float) -> None:
    scaled = tuple(None if value is None else value * scale for value in values)
    [line] = unpack(pack(Evidence(times=tuple(map(float, range(len(values)))), lines=(Line("m", scaled),)))).lines
    known = [value for value in scaled if value is not None]
    span = max(known) - min(known) if known else 0.0
    for before, after in zip(scaled, line.values, strict=True):
        assert (before is None) == (after is None)
        if before is not None and after is not None:
            assert abs(before - after) <= span / 1e4 + 0.0011


@given(st.lists(st.integers(0, 99_999), min_size=1, max_size=40))
def test_a_counter_is_kept_exactly(values: list[int]) -> None:
    line = Line("gpu.pcie_replays", tuple(1e9 + value for value in values))
    assert unpack(pack(Evidence(times=(0.0,) * len(values), lines=(line,)))).lines == (line,)


def test_half_an_hour_of_noisy_readings_takes_few_bytes() -> None:
    noise = random.Random(7)
    seconds = range(-900, 900)
    evidence = Evidence(
        times=tuple(second + noise.uniform(0, 0.05) for second in seconds),
        lines=(
            Line("gpu.temperature_celsius", tuple(70.0 + noise.choice((0, 1, 2)) for _ in seconds)),
            Line("gpu.power_watts", tuple(round(650 + noise.gauss(0, 15), 3) for _ in seconds)),
        ),
        gpus=(GpuThen(0, "GPU-0", tuple(process(each) for each in range(8))),),
        kernel_lines=tuple(
            KernelLine(at, 0, f"NVRM: Xid (PCI:0000:3b:00): 31, pid={at}, name=python, MMU Fault @ {noise.random()}")
            for at in range(20)
        ),
    )
    assert len(pack(evidence)) < 7000


@pytest.mark.parametrize("data", [b"", b"text", pack(Evidence())[:-4], pack(Evidence())[::-1]])
def test_damaged_bytes_are_unreadable(data: bytes) -> None:
    with pytest.raises(UnreadableEvidence, match="cannot be read"):
        unpack(data)
