"""The list of providers, and the selection of one: the first that finds a GPU.

A new provider is a module with a class like `base.Provider`, and an entry in PROVIDERS. Command lines, settings, labels and
the order of selection follow from it.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Mapping
from typing import NamedTuple

from monitor.telemetry.options import Options
from monitor.telemetry.providers.base import Explained, Provider, ProviderUnavailable
from monitor.telemetry.sampler.own_error import own_error
from monitor.telemetry.schema import ProviderReport

log = logging.getLogger(__name__)


class Entry(NamedTuple):
    """One provider of the list."""

    name: str
    label: str
    """What people call it."""
    place: str
    """Its module in this package and its class. Imported when it is used, so that no provider loads another's library."""
    is_automatic: bool = True
    """Tried in its turn; False: only when requested by name."""


PROVIDERS = (
    Entry("pynvml", "NVML", "nvml:Pynvml"),
    Entry("nvidia_smi", "nvidia-smi", "nvidia_smi:NvidiaSmi"),
    Entry("nvtop", "nvtop", "nvtop:Nvtop"),
    Entry("simulated", "simulated", "simulated:Simulated", is_automatic=False),
    Entry("replay", "replay", "replay:Replay", is_automatic=False),
)
"""In the order in which they are tried."""

NAMES = tuple(entry.name for entry in PROVIDERS)
IN_ORDER = tuple(entry.name for entry in PROVIDERS if entry.is_automatic)
ON_REQUEST = tuple(entry.name for entry in PROVIDERS if not entry.is_automatic)
LABELS: Mapping[str, str] = {entry.name: entry.label for entry in PROVIDERS}


class Selection(NamedTuple):
    """The provider in use, opened, or None; and a report on each that was tried."""

    provider: Provider | None
    reports: tuple[ProviderReport, ...]


def make(name: str, options: Options) -> Provider:
    """A provider by name, not yet opened. Raises Explained if there is none of this name."""
    for entry in PROVIDERS:
        if entry.name == name:
            module, _, made = entry.place.partition(":")
            provider: Provider = getattr(importlib.import_module(f"{__package__}.{module}"), made)(options)
            return provider
    raise Explained(f"There is no provider {name!r}.", f"Choose one of {', '.join(NAMES)}.")


def select(options: Options, make: Callable[[str, Options], Provider] = make) -> Selection:
    """Open the provider that `options.provider` names, or else the first that works.

    Never raises ProviderUnavailable: if none works, the selection's provider is None and every report says why. An error of
    gpumon in one of them is such a reason too.
    """
    names = (options.provider,) if options.provider else IN_ORDER
    reports: list[ProviderReport] = []
    for name in names:
        provider = make(name, options)
        try:
            provider.open()
        except ProviderUnavailable as unavailable:
            provider.close()
            log.debug("%s skipped: %s", name, unavailable.reason)
            reports.append(ProviderReport(name=name, reason=unavailable.reason, fix=unavailable.fix))
            continue
        except Exception as error:
            provider.close()
            log.exception("%s skipped: an error in gpumon", name)
            reports.append(ProviderReport(name=name, reason=own_error(error)))
            continue
        reports.append(ProviderReport(name=name, is_chosen=True))
        return Selection(provider, tuple(reports))
    return Selection(None, tuple(reports))
