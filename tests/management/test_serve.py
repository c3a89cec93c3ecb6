"""The line of `serve` that lists the GPUs it found."""

from __future__ import annotations

import math
from io import StringIO
from types import SimpleNamespace

import pytest

from monitor.management.commands.serve import NO_GPU, Command, gpus_found
from monitor.telemetry.schema import Gpu, ProviderReport, Snapshot


def snapshot(*names: str, **changes: object) -> Snapshot:
    gpus = tuple(Gpu(index=index, uuid=f"GPU-{index}", name=name) for index, name in enumerate(names))
    return Snapshot(host="host", seq=1, time=1.0, gpus=gpus, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("names", "line"),
    [
        (["L4"], "1 GPU via NVML: L4"),
        (["L4", "H100", "L4"], "3 GPUs via NVML: 2 × L4, H100"),
    ],
)
def test_gpus_are_listed_with_count_names_and_provider(names: list[str], line: str) -> None:
    assert gpus_found(snapshot(*names, provider="pynvml", sampled_at=1.0)) == line


def test_simulated_gpus_are_labelled_as_simulated() -> None:
    told = snapshot("L4", "L4", provider="simulated", is_simulated=True, sampled_at=1.0)
    assert gpus_found(told) == "2 simulated GPUs: 2 × L4"


def test_line_points_to_the_doctor_if_every_provider_was_skipped() -> None:
    passed_over = ProviderReport(name="nvtop", reason="`nvtop` is not in PATH.")
    assert gpus_found(snapshot(providers=(passed_over,))) == NO_GPU
    assert "manage.py doctor" in NO_GPU


def test_line_waits_for_the_first_reading_of_an_open_provider() -> None:
    assert gpus_found(None) is None
    assert gpus_found(snapshot()) is None
    assert gpus_found(snapshot(stale=True, stale_reason="The driver hangs.")) is None
    assert gpus_found(snapshot(providers=(ProviderReport(name="pynvml", is_chosen=True),))) is None


def test_address_comes_after_the_gpus_that_are_found_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = SimpleNamespace(latest=snapshot("H100", provider="pynvml", sampled_at=1.0))
    monkeypatch.setattr("monitor.management.commands.serve.runtime", lambda: SimpleNamespace(hub=hub))
    command = Command(stdout=StringIO())
    command.announce(math.inf)
    assert [line.partition(" on ")[0] for line in command.stdout.getvalue().splitlines()] == [
        "gpumon: 1 GPU via NVML: H100",
        "gpumon",
    ]
