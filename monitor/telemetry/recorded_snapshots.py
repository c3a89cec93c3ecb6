"""A recording as the snapshots that the server would have published, to evaluate rules without a server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from monitor.telemetry.recording import Header
from monitor.telemetry.sampler.roster import Roster
from monitor.telemetry.schema import Reading, Snapshot
from monitor.telemetry.totals import total


def snapshots_of(header: Header, readings: Iterable[Reading]) -> Iterator[Snapshot]:
    """One snapshot for each reading. A GPU that is missing from a reading is lost, as in the server.

    A recording contains only GPUs: system metrics are unknown, and nothing is ever stale.
    """
    roster = Roster()
    for seq, reading in enumerate(readings, 1):
        gpus = roster.update(reading.gpus, reading.sampled_at)
        yield Snapshot(
            host=header.host,
            seq=seq,
            time=reading.sampled_at,
            sampled_at=reading.sampled_at,
            age_seconds=0.0,
            provider=header.provider,
            driver_version=reading.driver_version,
            cuda_version=reading.cuda_version,
            gpus=gpus,
            totals=total(gpus),
        )
