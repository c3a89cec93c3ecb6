"""Checks agents in the database, for the event loop."""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

from channels.db import database_sync_to_async
from django.db import DatabaseError, InterfaceError
from django.utils import timezone

from monitor.fleet.protocol import Hello, Refused
from monitor.fleet.registry import Admitted, admit

_lookups = ThreadPoolExecutor(2, thread_name_prefix="agents")
"""Threads of their own: after a restart, hundreds of agents must not delay the pages."""


async def admit_agent(hello: Hello, key: str | None, connected: Collection[str]) -> Admitted | Refused:
    """As `registry.admit`; a database that does not answer is a refusal too."""
    admit_in_thread = database_sync_to_async(admit, thread_sensitive=False, executor=_lookups)
    try:
        admitted: Admitted | Refused = await admit_in_thread(hello, key, connected, timezone.now())
    except (DatabaseError, InterfaceError) as error:
        return Refused(code="database", text=f"The hub's database is unavailable, so agents cannot be checked: {error}")
    return admitted
