"""The vocabularies of /metrics: whose names for a GPU's metrics a scrape contains."""

from __future__ import annotations

from collections.abc import Sequence

METRICS_NAMES = ("own", "dcgm", "nvidia_smi")
"""own: gpumon's; dcgm: those of DCGM exporter; nvidia_smi: those of nvidia_gpu_exporter."""


def checked_metrics_names(names: Sequence[str]) -> tuple[str, ...]:
    """These names in the order of METRICS_NAMES, each once. Raises ValueError, whose text completes "must be"."""
    wanted = {name.strip().lower() for name in names}
    if not wanted or not wanted <= set(METRICS_NAMES):
        *others, last = METRICS_NAMES
        raise ValueError(f"one or more of {', '.join(others)} and {last}, separated by commas, such as own,dcgm")
    return tuple(name for name in METRICS_NAMES if name in wanted)
