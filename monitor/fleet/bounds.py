"""What one host may send: pages draw everything in a snapshot. What its numbers can be at all is in the schema's types."""

from __future__ import annotations

import math
from collections.abc import Sized

import msgspec

from monitor.fleet.protocol import ProtocolError
from monitor.telemetry.providers.plausible_gpus import plausible_gpus
from monitor.telemetry.sampler.identity import is_usable
from monitor.telemetry.schema import Snapshot
from monitor.telemetry.totals import total

MOST_GPUS = 512
MOST_GPUS_AN_HOUR = 2 * MOST_GPUS
"""Different ones of one host."""
MOST_PROCESSES = 10_000
"""On all GPUs of the host."""
MOST_INTERVAL_SECONDS = 60.0
"""Between two readings, as the settings of an agent allow: it decides when the host counts as silent."""
MOST_OF_OTHERS = 1024
"""Fans, links, errors, MIG instances and ended processes of a GPU; cores, notices and data sources of the host."""


def check(snapshot: Snapshot) -> None:
    """Raise ProtocolError if there is more of something than a host has, or a GPU that no address can name."""
    interval = snapshot.poll_interval_seconds
    if interval is not None and interval > MOST_INTERVAL_SECONDS:
        raise ProtocolError(f"a polling interval of {interval:g} s; an agent may have {MOST_INTERVAL_SECONDS:g} s")
    _at_most(MOST_GPUS, "GPUs", snapshot.gpus)
    for gpu in snapshot.gpus:
        if not is_usable(gpu.uuid):
            raise ProtocolError(f"GPU {gpu.index} has the UUID {gpu.uuid[:100]!r}, which an agent would have replaced")
    processes = [process for gpu in snapshot.gpus for process in gpu.processes or ()]
    _at_most(MOST_PROCESSES, "processes", processes)
    cores = snapshot.system.cpu_core_percents if snapshot.system else None
    _at_most(MOST_OF_OTHERS, "parts of the host", cores, snapshot.notices, snapshot.providers)
    reasons = [
        snapshot.unavailable,
        *[gpu.unavailable for gpu in snapshot.gpus],
        *[each.unavailable for each in processes],
    ]
    _at_most(MOST_OF_OTHERS, "reasons", *reasons, snapshot.system.unavailable if snapshot.system else None)
    for gpu in snapshot.gpus:
        others = (gpu.fans, gpu.nvlinks, gpu.xids, gpu.mig_instances, gpu.ended_processes, gpu.clock_event_reasons)
        _at_most(MOST_OF_OTHERS, "parts of a GPU", *others)


class SeenGpus:
    """The GPUs that one host has had within an hour: history, usage and alerts keep something of each."""

    def __init__(self) -> None:
        self._uuids: set[str] = set()
        self._since = -math.inf

    def add(self, snapshot: Snapshot, now: float) -> None:
        """Count those of a snapshot; `now` is monotonic. Raise ProtocolError if there are too many different ones."""
        if now - self._since > 3600:
            self._uuids.clear()
            self._since = now
        self._uuids.update([gpu.uuid for gpu in snapshot.gpus])
        if len(self._uuids) > MOST_GPUS_AN_HOUR:
            raise ProtocolError(f"more than {MOST_GPUS_AN_HOUR} different GPUs within an hour")


def plausible(snapshot: Snapshot) -> Snapshot:
    """The same, or with the figures that no hardware has as unknown: an agent of another version may have other bounds."""
    gpus = plausible_gpus(snapshot.gpus, "its agent")
    return snapshot if gpus is snapshot.gpus else msgspec.structs.replace(snapshot, gpus=gpus, totals=total(gpus))


def _at_most(most: int, what: str, *lists: Sized | None) -> None:
    for each in lists:
        if each is not None and len(each) > most:
            raise ProtocolError(f"{len(each)} {what}; a host may send {most}")
