"""The host whose records are wanted: of a connected one, of one that is down, or of one that was deleted and left its history."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from asgiref.sync import sync_to_async

from monitor.history.store import HOST, OWN, sources
from monitor.runtime.runtime import Runtime
from monitor.telemetry.schema import Gpu, Snapshot
from monitor.web.api.hosts import NoSuchHost, is_own, latest_of


class RecordedHost(NamedTuple):
    """A host with records, or one that can have some."""

    host_id: str
    """In the database: empty for the host that answers."""
    name: str
    latest: Snapshot | None
    """Its newest snapshot; None if this server has none."""

    @property
    def file_name(self) -> str:
        """Its name in those of files; empty for the host that answers."""
        return "" if self.is_own else re.sub("[^A-Za-z0-9._-]+", "-", self.name).strip("-.") or self.host_id

    @property
    def is_own(self) -> bool:
        """It is the host that answers."""
        return self.host_id == OWN


async def recorded_host(runtime: Runtime, wanted: str | None, names: Callable[[], Mapping[str, str]]) -> RecordedHost:
    """The host with this name or id (None: the one that answers). `names`: of the hosts with records, by id; reads the database.

    Raises NoSuchHost, and Django's database errors.
    """
    if is_own(runtime, wanted):
        latest = runtime.hub.latest
        return RecordedHost(OWN, latest.host if latest else "", latest)
    assert wanted is not None
    known = runtime.fleet.named(wanted)
    if known is not None and known.host_id is not None:
        return RecordedHost(known.host_id, known.name, await latest_of(runtime, known.host_id))
    recorded = await sync_to_async(names)()
    for host_id, name in recorded.items():
        if host_id != OWN and wanted in (host_id, name):
            return RecordedHost(host_id, name, None)
    await latest_of(runtime, wanted)
    raise NoSuchHost(f"No host {wanted[:100]!r}.")


def recorded_board(host: RecordedHost) -> Snapshot:
    """The GPUs of a host by its newest snapshot; without one, those of the history. Reads the database then."""
    if host.latest is not None:
        return host.latest
    rows = [row for row in sources(host.host_id) if row.key != HOST]
    gpus = [Gpu(index=row.index or 0, uuid=row.key, name=row.name) for row in rows]
    return Snapshot(host=host.name, host_id=host.host_id or None, seq=0, time=0.0, gpus=tuple(gpus))
