"""The bus of a hub that is one process: a call."""

from __future__ import annotations

from monitor.fleet.bus.base import Newest, Publish, Receiver
from monitor.telemetry.schema import Snapshot


class InProcessBus:
    """Every agent is connected to this process, which shows, judges and records all hosts."""

    outage: str | None = None

    def __init__(self, publish: Publish = lambda _snapshot, *, is_late: None) -> None:
        """`publish`: judges and records."""
        self._publish = publish
        self._receiver: Receiver | None = None

    def deliver_to(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def put(self, snapshot: Snapshot, *, is_late: bool, number: int) -> None:
        assert self._receiver is not None
        if not is_late:
            self._receiver.show(snapshot, number=number)
        self._publish(snapshot, is_late=is_late)

    async def newest(self, host_id: str) -> Newest | None:
        """There is no other process."""
        return None
