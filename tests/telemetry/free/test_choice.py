"""Which free GPUs are chosen: those that fit, neighbours first, then the least loaded, by names that CUDA knows."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.telemetry.cuda_devices import has_driver_uuid
from monitor.telemetry.free.choice import FreeGpus, choose
from monitor.telemetry.free.topology import Place
from monitor.telemetry.free.wanted import Wanted
from monitor.telemetry.schema import Gpu, MigInstance, NvLink
from tests.support.snapshots import GIB, host
from tests.support.snapshots import gpu as busy_gpu

AT_SWITCH = {
    "a": Place(("pci0000:17", "0000:17:02.0", "0000:18:00.0"), 0),
    "b": Place(("pci0000:85", "0000:85:00.0", "0000:86:00.0"), 1),
}


def free(index: int, **changes: Any) -> Gpu:
    """A free H100."""
    values = {"use": "free", "utilization_percent": 0.0, "memory_used_bytes": 0, "memory_free_bytes": 80 * GIB}
    return busy_gpu(index, **{**values, **changes})


def placed(gpu: Gpu) -> Place:
    return AT_SWITCH.get(gpu.pci_bus_id or "", Place())._replace(is_on_nvswitch=bool(gpu.nvlinks))


def chosen(*gpus: Gpu, free_seconds: dict[str, float] | None = None, **wanted: Any) -> FreeGpus:
    """The choice; the PCI address of a test's GPU is the letter of its switch."""
    return choose(host(*gpus), Wanted(**wanted), free_seconds or {}, place=placed)


def test_only_free_gpus_are_offered() -> None:
    found = chosen(
        busy_gpu(0, use="busy"),
        busy_gpu(1, use="held"),
        free(2),
        busy_gpu(3, use="unknown"),
        free(4, compute_mode="prohibited"),
        free(5, recovery_action="reset"),
    )
    assert (found.cuda_visible_devices, found.fitting_count, found.is_enough) == ("GPU-2", 1, True)


def test_least_loaded_comes_first_and_a_sleeping_one_last() -> None:
    found = chosen(
        free(0, memory_used_bytes=GIB // 2), free(1, state="asleep"), free(2), free(3, memory_used_bytes=1), gpu_count=4
    )
    assert [each.index for each in found.gpus] == [2, 3, 0, 1]


def test_neighbours_are_preferred() -> None:
    found = chosen(
        free(0, pci_bus_id="a"), free(1, pci_bus_id="b"), free(2, pci_bus_id="b", memory_used_bytes=GIB), gpu_count=2
    )
    assert [(each.index, each.switch_with) for each in found.gpus] == [(1, (2,)), (2, (1,))]
    alone = chosen(free(0, pci_bus_id="a"), free(1, pci_bus_id="b"), free(2), gpu_count=2)
    assert [(each.index, each.switch_with) for each in alone.gpus] == [(0, ()), (1, ())]


def test_gpus_linked_by_nvlink_are_preferred_to_those_at_a_switch() -> None:
    links = (NvLink(link=0, is_active=True, peer_type="switch"),)
    found = chosen(
        free(0, pci_bus_id="a"),
        free(1, pci_bus_id="a"),
        free(2, pci_bus_id="a", nvlinks=links, memory_used_bytes=GIB),
        free(3, pci_bus_id="b", nvlinks=links, memory_used_bytes=GIB),
        gpu_count=2,
    )
    assert [(each.index, each.nvlink_with, each.switch_with) for each in found.gpus] == [(2, (3,), ()), (3, (2,), ())]


def test_each_needs_the_memory_and_the_idle_time() -> None:
    gpus = (free(0, memory_free_bytes=10 * GIB), free(1), free(2, memory_free_bytes=None, memory_total_bytes=None))
    assert chosen(*gpus, memory_bytes=20 * GIB).cuda_visible_devices == "GPU-1"
    assert chosen(*gpus, idle_seconds=60, free_seconds={"GPU-0": 61.0, "GPU-1": 59.0}).cuda_visible_devices == "GPU-0"
    assert chosen(*gpus, exclude=frozenset({"0", "GPU-1"})).cuda_visible_devices == "GPU-2"


@pytest.mark.parametrize(
    ("gpus", "wanted", "reason"),
    [
        ([busy_gpu(0, use="busy")], {}, "No GPU is free."),
        ([free(0)], {"gpu_count": 2}, "Only 1 GPU is free; 2 are wanted."),
        ([free(0), free(1)], {"gpu_count": 2, "memory_bytes": 90 * GIB}, "None of the 2 free GPUs fits; 2 are wanted."),
        ([free(0)], {"memory_bytes": 90 * GIB}, "The free GPU does not fit."),
        ([free(0), free(1)], {"idle_seconds": 60}, "None of the 2 free GPUs fits."),
        ([free(0, uuid="nvtop-0-amd")], {}, "The free GPUs have no name that CUDA knows."),
        (
            [free(0, mig_mode=True)],
            {"gpu_count": 2},
            "The free GPUs are in MIG mode: a process can use only one instance.",
        ),
    ],
)
def test_too_few_are_no_answer_and_the_reason_says_why(gpus: list[Gpu], wanted: Any, reason: str) -> None:
    found = chosen(*gpus, **wanted)
    assert (found.is_enough, found.cuda_visible_devices, found.reason) == (False, None, reason)


def test_gpu_without_a_uuid_is_named_by_index_only_where_it_is_needed() -> None:
    gpus = (free(0), free(1, uuid="pci-0000:3b:00.0"), free(2))
    two, three = chosen(*gpus, gpu_count=2), chosen(*gpus, gpu_count=3)
    assert (two.cuda_visible_devices, two.cuda_device_order) == ("GPU-0,GPU-2", None)
    assert (three.cuda_visible_devices, three.cuda_device_order) == ("0,1,2", "PCI_BUS_ID")


def test_mig_instance_is_offered_alone_and_after_whole_gpus() -> None:
    instances = (
        MigInstance(index=0, uuid="MIG-1", memory_free_bytes=10 * GIB),
        MigInstance(index=1, uuid="MIG-2", memory_free_bytes=40 * GIB),
    )
    cut = free(0, mig_mode=True, mig_instances=instances)
    assert chosen(cut, memory_bytes=20 * GIB).cuda_visible_devices == "MIG-2"
    assert chosen(cut, free(1)).cuda_visible_devices == "GPU-1"


USES = st.sampled_from(["free", "busy", "held", "unknown"])
UUIDS = st.sampled_from(["GPU-{}", "GPU-{}", "pci-{}", "nvtop-{}"])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(USES, UUIDS, st.sampled_from("ab")), max_size=20), st.integers(1, 8))
def test_answer_names_as_many_free_gpus_as_wanted_each_once(rows: list[tuple[Any, str, str]], count: int) -> None:
    gpus = [
        free(index, use=use, uuid=uuid.format(index), pci_bus_id=switch)
        for index, (use, uuid, switch) in enumerate(rows)
    ]
    found = chosen(*gpus, gpu_count=count)
    assert found.is_enough == (found.fitting_count >= count) == (found.cuda_visible_devices is not None)
    if found.cuda_visible_devices is None:
        return
    names = found.cuda_visible_devices.split(",")
    assert len(set(names)) == len(names) == count
    assert all(map(has_driver_uuid, names)) or found.cuda_device_order == "PCI_BUS_ID"
    assert all(gpus[each.index].use == "free" for each in found.gpus)
