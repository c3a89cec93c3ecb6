"""The names by which CUDA_VISIBLE_DEVICES takes GPUs: `GPU-…` and `MIG-…` UUIDs, or indexes. An unknown name ends its list."""

from __future__ import annotations

import re
from collections.abc import Sequence

from monitor.telemetry.schema import Gpu

_DRIVER_UUID = re.compile(r"(?:GPU|MIG)-[0-9A-Za-z][0-9A-Za-z/-]*")
"""As `nvidia-smi -L` prints it. Drivers before R470 name a MIG instance MIG-GPU-<UUID>/<GPU instance>/<compute instance>."""
_OURS = re.compile(r"(?:pci|index)-.*")
"""Substitutes for the UUID of an NVIDIA GPU (sampler/identity.py)."""


def has_driver_uuid(uuid: str) -> bool:
    """Whether the UUID is one of NVIDIA's driver, which CUDA knows, and not a substitute of ours."""
    return _DRIVER_UUID.fullmatch(uuid) is not None


def is_own_uuid(uuid: str) -> bool:
    """Whether the UUID is our substitute for that of an NVIDIA GPU, which CUDA can be told by its index only."""
    return _OURS.fullmatch(uuid) is not None


def visible_devices(gpus: Sequence[Gpu]) -> tuple[str, tuple[Gpu, ...]]:
    """The assignment for a shell that makes CUDA use these GPUs only, and the GPUs that it names; empty if CUDA knows none.

    In MIG mode the instances are named, because CUDA does not run on the whole GPU. If a GPU has no UUID of its own, all are
    named by index, in the driver's order: a list must not mix both.
    """
    by_uuid = [(gpu, names) for gpu in gpus if (names := _uuids_of(gpu))]
    by_index = [gpu for gpu in gpus if not gpu.mig_mode and (has_driver_uuid(gpu.uuid) or is_own_uuid(gpu.uuid))]
    if len(by_index) > len(by_uuid):
        indexes = ",".join(str(gpu.index) for gpu in by_index)
        return f"CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES={indexes}", tuple(by_index)
    if not by_uuid:
        return "", ()
    listed = ",".join(name for _, names in by_uuid for name in names)
    return f"CUDA_VISIBLE_DEVICES={listed}", tuple([gpu for gpu, _ in by_uuid])


def _uuids_of(gpu: Gpu) -> tuple[str, ...]:
    if gpu.mig_mode:
        return tuple([each.uuid for each in gpu.mig_instances if each.uuid is not None and has_driver_uuid(each.uuid)])
    return (gpu.uuid,) if has_driver_uuid(gpu.uuid) else ()
