"""What identifies a GPU behind NVML."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec
import pynvml as nvml

from monitor.telemetry.providers.base import LONG_PCI_DOMAIN
from monitor.telemetry.providers.nvml.ctypes_calls import Handle
from monitor.telemetry.providers.nvml.errors import FIELD_ERRORS, field_reason

_UNNAMED = "NVIDIA GPU"
_PCI_BUS_ID = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f]")


class Identity(msgspec.Struct, frozen=True):
    """As the driver reports it. None of it is needed to read the GPU."""

    index: int
    uuid: str
    """Empty where the driver does not report it; sampler/identity.py finds a substitute."""
    name: str
    pci_bus_id: str | None
    reasons: dict[str, str]
    """Why the PCI bus id is unknown."""
    is_complete: bool
    """Whether the driver answered every question."""


def identify(handle: Handle, index: int) -> Identity:
    """Ask the driver about a GPU."""
    reported, why_no_pci = _asked(lambda: short_pci_bus_id(nvml.nvmlDeviceGetPciInfo(handle).busId))
    pci_bus_id = None if reported is None else valid_pci_bus_id(reported)
    if reported is not None and pci_bus_id is None:
        why_no_pci = f"the driver reports {reported!r}"
    uuid, why_no_uuid = _asked(lambda: nvml.nvmlDeviceGetUUID(handle))
    name, why_no_name = _asked(lambda: _name(handle))
    return Identity(
        index=index,
        uuid=uuid or "",
        name=name or _UNNAMED,
        pci_bus_id=pci_bus_id,
        reasons={"pci_bus_id": why_no_pci} if why_no_pci else {},
        is_complete=not (why_no_pci or why_no_uuid or why_no_name),
    )


def short_pci_bus_id(bus_id: str | bytes) -> str:
    """NVML's 00000000:3B:00.0 in the form of sysfs, 0000:3b:00.0."""
    text = bus_id.decode("ascii", errors="replace") if isinstance(bus_id, bytes) else bus_id
    return LONG_PCI_DOMAIN.sub("", text.strip("\x00 ").lower())


def valid_pci_bus_id(bus_id: str | bytes) -> str | None:
    """An address in that form; None if it is not one."""
    address = short_pci_bus_id(bus_id)
    return address if _PCI_BUS_ID.fullmatch(address) else None


def _asked(ask: Callable[[], Any]) -> tuple[str | None, str | None]:
    """The answer, or why there is none."""
    try:
        return str(ask()), None
    except FIELD_ERRORS as error:
        return None, field_reason(error)


def _name(handle: Handle) -> str:
    """The product name. pynvml decodes strictly, so a name that is not UTF-8 is decoded here."""
    try:
        return str(nvml.nvmlDeviceGetName(handle))
    except UnicodeDecodeError as error:
        return error.object.decode("utf-8", errors="replace")
