"""CUDA_VISIBLE_DEVICES names GPUs as CUDA knows them: never a substitute of gpumon's, and never an empty list."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.telemetry.cuda_devices import has_driver_uuid, visible_devices
from monitor.telemetry.sampler.roster import Roster
from monitor.telemetry.schema import Gpu, MigInstance

FIRST, SECOND = "GPU-11111111-2222-3333-4444-555555555555", "GPU-aaaaaaaa-2222-3333-4444-555555555555"
SLICE = "MIG-51e0cade-0000-4000-8000-000000000003"
OLD_SLICE = f"MIG-{FIRST}/1/0"


def gpu(index: int, uuid: str, **values: object) -> Gpu:
    return Gpu(index=index, uuid=uuid, name="H100", **values)  # type: ignore[arg-type]


def test_gpus_are_named_by_uuid() -> None:
    gpus = (gpu(0, FIRST), gpu(3, SECOND))
    assert visible_devices(gpus) == (f"CUDA_VISIBLE_DEVICES={FIRST},{SECOND}", gpus)


def test_gpu_without_a_uuid_is_named_by_index_and_then_all_are() -> None:
    gpus = (gpu(0, FIRST), gpu(2, "pci-0000:3b:00.0"), gpu(3, "index-3"))
    assert visible_devices(gpus) == ("CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES=0,2,3", gpus)


def test_mig_instances_are_named_in_place_of_their_gpu() -> None:
    instances = (MigInstance(index=0, uuid=SLICE), MigInstance(index=1), MigInstance(index=2, uuid=OLD_SLICE))
    gpus = (gpu(0, FIRST, mig_mode=True, mig_instances=instances), gpu(1, SECOND))
    assert visible_devices(gpus) == (f"CUDA_VISIBLE_DEVICES={SLICE},{OLD_SLICE},{SECOND}", gpus)


def test_gpus_that_cuda_does_not_know_are_left_out() -> None:
    cut, whole = gpu(0, FIRST, mig_mode=True), gpu(2, SECOND)
    amd = gpu(1, "nvtop-1-amd-radeon-780m-graphics")
    assert visible_devices((cut, amd, whole)) == (f"CUDA_VISIBLE_DEVICES={SECOND}", (whole,))
    assert visible_devices((cut, amd)) == ("", ())
    assert visible_devices(()) == ("", ())


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from([FIRST, FIRST, SECOND, "GPU-", "", "pci-x", "nvtop-0-a"]) | st.text(max_size=20), max_size=6
    )
)
def test_every_name_in_the_list_is_a_uuid_of_the_driver_or_an_index(uuids: list[str]) -> None:
    gpus = Roster().update([gpu(index, uuid) for index, uuid in enumerate(uuids)], 1.0)
    assignment, named = visible_devices(gpus)
    names = assignment.rpartition("=")[2].split(",") if assignment else []
    assert len(names) == len(named)
    assert all(map(has_driver_uuid, names)) or names == [str(each.index) for each in named]
    assert len(set(names)) == len(names)
