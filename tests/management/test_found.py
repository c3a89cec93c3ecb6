"""The line that says what was found."""

from __future__ import annotations

import pytest

from monitor.telemetry.schema import Gpu, ProviderReport, Snapshot
from monitor.web.found import NOTHING, found


def snapshot(*names: str, **changes: object) -> Snapshot:
    gpus = tuple(Gpu(index=index, uuid=f"GPU-{index}", name=name) for index, name in enumerate(names))
    return Snapshot(host="host", seq=1, time=1.0, gpus=gpus, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("names", "line"),
    [
        (["L4"], "1 GPU by NVML: L4"),
        (["L4", "H100", "L4"], "3 GPUs by NVML: 2 × L4, H100"),
    ],
)
def test_gpus_are_counted_named_and_attributed(names: list[str], line: str) -> None:
    assert found(snapshot(*names, provider="pynvml", sampled_at=1.0)) == line


def test_where_every_provider_was_passed_over_it_says_so_and_whom_to_ask() -> None:
    passed_over = ProviderReport(name="nvtop", reason="`nvtop` is not in PATH.")
    assert found(snapshot(providers=(passed_over,))) == NOTHING
    assert "manage.py doctor" in NOTHING


def test_it_waits_for_the_first_reading_of_a_provider_that_was_opened() -> None:
    assert found(None) is None
    assert found(snapshot()) is None
    assert found(snapshot(stale=True, stale_reason="The driver hangs.")) is None
    assert found(snapshot(providers=(ProviderReport(name="pynvml", is_chosen=True),))) is None
