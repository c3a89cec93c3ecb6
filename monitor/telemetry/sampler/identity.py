"""Gives every GPU of a reading an identity of its own, also where the driver reports the same, an empty or a garbled UUID."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec

from monitor.telemetry.cuda_devices import has_driver_uuid
from monitor.telemetry.schema import Gpu, Notice

_USABLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,79}")
"""What can stand in an address of a page. Everything that drivers and our providers use fits."""
_EMPTY = re.compile(r"(?:GPU|MIG)?-?(?:0{8}[-0]*)?|N/A|unknown", re.IGNORECASE)
"""Boards flashed or passed through to a virtual machine report "GPU-", or only zeros."""


def is_usable(uuid: str) -> bool:
    """Whether it can be a GPU's: of 1 to 80 characters that need no quoting in an address."""
    return _USABLE.fullmatch(uuid) is not None


class Identities:
    """Remembers which UUIDs several GPUs have reported: one of them alone is not recognized by it either."""

    def __init__(self) -> None:
        self._shared: set[str] = set()
        self.notices: tuple[Notice, ...] = ()
        """The GPUs of the last reading that their UUID does not identify."""

    def distinguish(self, gpus: Sequence[Gpu]) -> tuple[tuple[Gpu, ...], set[str]]:
        """The GPUs with unique `uuid`s, and the UUIDs now found to belong to several GPUs, so that they identify none.

        A GPU without a UUID of its own gets its PCI address as a substitute or, without one, its index.
        """
        counts = Counter(gpu.uuid for gpu in gpus)
        found = {uuid for uuid, count in counts.items() if count > 1} - self._shared
        self._shared |= found
        places = Counter(gpu.pci_bus_id for gpu in gpus)
        taken = {gpu.uuid for gpu in gpus if self._is_unique(gpu.uuid)}
        distinct: list[Gpu] = []
        replaced: list[int] = []
        for gpu in gpus:
            uuid = gpu.uuid
            if not self._is_unique(uuid):
                uuid = next(name for name in _substitutes(gpu, places) if name not in taken)
                taken.add(uuid)
                replaced.append(gpu.index)
            is_substitute = not has_driver_uuid(uuid)
            if uuid != gpu.uuid or is_substitute != gpu.uuid_is_substitute:
                gpu = msgspec.structs.replace(gpu, uuid=uuid, uuid_is_substitute=is_substitute)
            distinct.append(gpu)
        self.notices = (_notice(replaced),) if replaced else ()
        return tuple(distinct), found

    def _is_unique(self, uuid: str) -> bool:
        return uuid not in self._shared and is_usable(uuid) and not _EMPTY.fullmatch(uuid)


def _substitutes(gpu: Gpu, places: Counter[str | None]) -> Iterator[str]:
    """Possible identities, the most lasting first."""
    place = gpu.pci_bus_id
    if place is not None and places[place] == 1 and is_usable(place):
        yield f"pci-{place}"
    yield f"index-{gpu.index}"
    number = 2
    while True:
        yield f"index-{gpu.index}-{number}"
        number += 1


def _notice(indexes: Sequence[int]) -> Notice:
    named = ", ".join(str(index) for index in indexes)
    many = len(indexes) > 1
    return Notice(
        code="no_own_uuid",
        text=f"GPU{'s' if many else ''} {named}: the driver reports no UUID, or the same one for several GPUs. "
        f"{'They are' if many else 'It is'} identified by PCI address or index, which can change when hardware is moved.",
        fix="Compare with `nvidia-smi -L`. A modified board, or a virtual machine's passthrough, can be the cause.",
    )
