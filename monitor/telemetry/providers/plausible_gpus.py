"""Whole GPUs from another host: figures beyond what hardware can do become unknown, as those of a driver do (plausible.py).

Agents of this version send none. So all figures are first compared with their ranges by msgspec: 0.1 ms for 8 GPUs with 18 NVLinks
each, a fifth of what `Bounds.checked` takes.
"""

from __future__ import annotations

from types import GenericAlias
from typing import Annotated

import msgspec

from monitor.telemetry.providers.plausible import RANGES, Bounds
from monitor.telemetry.schema import EndedProcess, Fan, Gpu, GpuProcess, MigInstance, NvLink


def plausible_gpus(gpus: tuple[Gpu, ...], source: str) -> tuple[Gpu, ...]:
    """The same GPUs, or new ones with the figures and reasons changed. `source` reports them, in the words of a reason."""
    try:
        msgspec.convert(gpus, _FIGURES, from_attributes=True)
    except msgspec.ValidationError:
        bounds = Bounds(source)
        return tuple([bounds.checked(gpu) for gpu in gpus])
    return gpus


def _figures_of(struct: type[msgspec.Struct], **parts: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """The figures of this struct alone, each with its range. The schema itself has the range of percentages."""
    figures = [
        (field.name, Annotated[float, msgspec.Meta(ge=bounds.least, le=bounds.most)] | None, None)
        for field in msgspec.structs.fields(struct)
        if (bounds := RANGES.get(field.name)) is not None and not field.name.endswith("_percent")
    ]
    lists = [(name, _several(part) | None, None) for name, part in parts.items()]
    return msgspec.defstruct(f"{struct.__name__}Figures", [*figures, *lists], frozen=True)


def _several(part: type[msgspec.Struct]) -> GenericAlias:
    return GenericAlias(tuple, (part, ...))


_FIGURES = _several(
    _figures_of(
        Gpu,
        fans=_figures_of(Fan),
        nvlinks=_figures_of(NvLink),
        mig_instances=_figures_of(MigInstance),
        processes=_figures_of(GpuProcess),
        ended_processes=_figures_of(EndedProcess),
    )
)
