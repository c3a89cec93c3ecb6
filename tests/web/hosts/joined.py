"""Hosts that join a hub in this process."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from monitor.fleet.protocol import Hello, Refused
from monitor.fleet.registry import Admitted
from monitor.runtime.runtime import Runtime
from monitor.telemetry.schema import Snapshot

HUB = "ef" * 16


class Connection:
    """An open connection of an agent."""

    def __init__(self, host_id: str, name: str, version: str = "0.1.0") -> None:
        self.hello = Hello(protocol=1, version=version, host_id=host_id, host=name, boot=host_id, sent_at=1.0)

    def end(self, refusal: Refused) -> None:
        """Nothing to close."""


def id_of(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:32]


def join(runtime: Runtime, name: str, snapshot: Snapshot | None, *, tags: Sequence[str] = ()) -> Connection:
    """Connect a host of this name; it sends the snapshot, if there is one."""
    host_id = id_of(name)
    connection = Connection(host_id, name)
    assert runtime.fleet.connect(Admitted(host_id, name, tuple(tags), None), connection) is None
    if snapshot is not None:
        send(runtime, name, snapshot)
    return connection


def send(runtime: Runtime, name: str, snapshot: Snapshot) -> None:
    """A reading of the host, as the hub's socket hands it on."""
    given = msgspec.structs.replace(snapshot, host=name, host_id=id_of(name))
    runtime.fleet.take(id_of(name), given, is_late=False)
