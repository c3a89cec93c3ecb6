"""The providers in their order, and the choice of one: the first that answers with at least one GPU."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import NamedTuple

from monitor.telemetry.options import Options
from monitor.telemetry.providers.base import Explained, Provider, ProviderUnavailable
from monitor.telemetry.schema import ProviderReport

log = logging.getLogger(__name__)

IN_ORDER = ("pynvml", "nvidia_smi", "nvtop")
"""Tried one after the other. `simulated` and `replay` only when asked for by name."""
ON_REQUEST = ("simulated", "replay")
NAMES = IN_ORDER + ON_REQUEST


class Selection(NamedTuple):
    """The provider in use, opened, or None; and what became of each that was tried."""

    provider: Provider | None
    reports: tuple[ProviderReport, ...]


def make(name: str, options: Options) -> Provider:
    """A provider by name, not yet opened. Imported here, so that one never loads another's library."""
    if name == "pynvml":
        from monitor.telemetry.providers.nvml import Pynvml

        return Pynvml(options)
    if name == "nvidia_smi":
        from monitor.telemetry.providers.nvidia_smi import NvidiaSmi

        return NvidiaSmi(options)
    if name == "nvtop":
        from monitor.telemetry.providers.nvtop import Nvtop

        return Nvtop(options)
    if name == "simulated":
        from monitor.telemetry.providers.simulated import Simulated

        return Simulated(options)
    if name == "replay":
        from monitor.telemetry.providers.replay import Replay

        return Replay(options)
    raise Explained(f"There is no provider {name!r}.", f"Choose one of {', '.join(NAMES)}.")


def select(options: Options, make: Callable[[str, Options], Provider] = make) -> Selection:
    """Open the provider that `options.provider` names, or else the first that works.

    Never raises ProviderUnavailable: with none, the selection's provider is None and every report says why.
    """
    names = (options.provider,) if options.provider else IN_ORDER
    reports: list[ProviderReport] = []
    for name in names:
        provider = make(name, options)
        try:
            provider.open()
        except ProviderUnavailable as unavailable:
            provider.close()
            log.info("%s passed over: %s", name, unavailable.reason)
            reports.append(ProviderReport(name=name, reason=unavailable.reason, fix=unavailable.fix))
            continue
        reports.append(ProviderReport(name=name, is_chosen=True))
        return Selection(provider, tuple(reports))
    return Selection(None, tuple(reports))


LABELS: Mapping[str, str] = {
    "pynvml": "NVML",
    "nvidia_smi": "nvidia-smi",
    "nvtop": "nvtop",
    "simulated": "simulated",
    "replay": "replay",
}
"""What people call them."""
