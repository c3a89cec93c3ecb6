"""GPUs without memory of their own (GB10, Jetson): their memory figures are the host's."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import psutil

from monitor.telemetry.providers.base import GPU_METRICS

NO_PCIE = "no PCIe between host and GPU: they share one memory"
_PCIE = tuple(name for name in GPU_METRICS if name.startswith("pcie_"))


def take_host_memory(values: MutableMapping[str, Any]) -> dict[str, str]:
    """Fill the memory figures in `values` from the host, and clear those of PCIe; return the reasons of what is unknown."""
    host = psutil.virtual_memory()
    values["memory_total_bytes"] = host.total
    values["memory_free_bytes"] = host.available
    values["memory_used_bytes"] = host.total - host.available
    values["memory_reserved_bytes"] = None
    values.update(dict.fromkeys(_PCIE))
    return {"memory_reserved_bytes": "the memory is the host's", **dict.fromkeys(_PCIE, NO_PCIE)}
