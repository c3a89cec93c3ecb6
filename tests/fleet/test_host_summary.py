"""A host's line in /api/hosts and on the page of hosts, from its newest snapshot."""

from __future__ import annotations

from monitor.fleet.host_summary import SummarizedSnapshot
from monitor.telemetry.schema import Gpu, MigInstance
from tests.support.snapshots import gpu, host


def uses(*gpus: Gpu) -> list[str]:
    return [each.use for each in SummarizedSnapshot(host(*gpus)).fields()["gpus"]]


def test_state_of_each_gpu() -> None:
    mig = gpu(3, mig_mode=True, mig_instances=(MigInstance(index=0),), use="free")
    given = (
        gpu(0, use="busy"),
        gpu(1, use="held"),
        gpu(2, use="free"),
        mig,
        gpu(4, state="lost"),
        gpu(5, state="asleep"),
        gpu(6),
    )
    assert uses(*given) == ["busy", "held", "free", "mig", "lost", "asleep", "unknown"]


def test_free_gpus_are_those_that_a_program_can_use() -> None:
    snapshot = host(gpu(0, use="free"), gpu(1, use="free", compute_mode="prohibited"), gpu(2, use="busy"))
    assert SummarizedSnapshot(snapshot).fields()["free_gpu_count"] == 1
    before_the_first = SummarizedSnapshot(host(sampled_at=None)).fields()
    assert (before_the_first["free_gpu_count"], before_the_first["totals"]) == (None, None)


def test_gpus_are_summarized_once_a_snapshot() -> None:
    summarized = SummarizedSnapshot(host(gpu(0)))
    assert summarized.fields()["gpus"] is summarized.fields()["gpus"]
