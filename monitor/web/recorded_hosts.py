"""The host whose records are wanted: of a connected one, of one that is down, or of one that was deleted and left its history."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from asgiref.sync import sync_to_async
from django.http import HttpRequest

from monitor.history.store import HOST, OWN, sources
from monitor.runtime.process import runtime
from monitor.runtime.runtime import Runtime
from monitor.telemetry.schema import Gpu, Snapshot
from monitor.web.api.hosts import NoSuchHost, is_own, latest_of
from monitor.web.snapshots import as_seen, first_seen

_NOT_IN_FILE_NAMES = re.compile(r"[^A-Za-z0-9._-]+")


class RecordedHost(NamedTuple):
    """A host with records, or one that can have some."""

    host_id: str
    """In the database: empty for the host that answers."""
    name: str
    latest: Snapshot | None
    """Its newest snapshot; None if this server has none."""
    has_pages: bool = True
    """It is one of the hosts of this server; a deleted one has its records only."""

    @property
    def in_addresses(self) -> str:
        """What addresses call it; empty for the host that answers."""
        return "" if self.is_own else self.name if "/" not in self.name else self.host_id

    @property
    def file_name(self) -> str:
        """Its name in those of files; empty for the host that answers."""
        return "" if self.is_own else _NOT_IN_FILE_NAMES.sub("-", self.name).strip("-.") or self.host_id

    @property
    def is_own(self) -> bool:
        """It is the host that answers."""
        return self.host_id == OWN


async def recorded_host(running: Runtime, wanted: str | None, names: Callable[[], Mapping[str, str]]) -> RecordedHost:
    """The host with this name or id (None: the one that answers). `names`: of the hosts with records, by id; reads the database.

    Raises NoSuchHost, and Django's database errors.
    """
    if is_own(running, wanted):
        latest = running.hub.latest
        return RecordedHost(OWN, latest.host if latest else "", latest)
    assert wanted is not None
    known = running.fleet.named(wanted)
    if known is not None and known.host_id is not None:
        return RecordedHost(known.host_id, known.name, await latest_of(running, known.host_id))
    recorded = await sync_to_async(names)()
    for host_id, name in recorded.items():
        if host_id != OWN and wanted in (host_id, name):
            return RecordedHost(host_id, name, None, has_pages=False)
    await latest_of(running, wanted)
    raise NoSuchHost(f"No host {wanted[:100]!r}.")


async def seen_host(
    request: HttpRequest, wanted: str | None, names: Callable[[], Mapping[str, str]]
) -> tuple[RecordedHost, Snapshot]:
    """The host for a page, and its GPUs as this visitor may see them. Raises NoSuchHost, and Django's database errors."""
    host = await recorded_host(runtime(), wanted or None, names)
    if host.is_own:
        return host, await first_seen(request)
    return host, as_seen(await sync_to_async(recorded_board)(host), request)


def recorded_board(host: RecordedHost) -> Snapshot:
    """The GPUs of a host by its newest snapshot; without one, those of the history. Reads the database then."""
    if host.latest is not None:
        return host.latest
    rows = [row for row in sources(host.host_id) if row.key != HOST]
    gpus = [Gpu(index=row.index or 0, uuid=row.key, name=row.name) for row in rows]
    return Snapshot(
        host=host.name,
        host_id=host.host_id or None,
        seq=0,
        time=time.time(),
        stale=True,
        stale_reason="No reading has arrived since the hub started." if host.has_pages else "This host was deleted.",
        gpus=tuple(gpus),
    )
