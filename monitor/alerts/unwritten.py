"""The events that are not in the database yet."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from monitor.rules.evaluation import Event

log = logging.getLogger(__name__)

MOST_AT_ONCE = 50
"""Events in one transaction, about: when a rack goes down, hundreds fire at once, and others want to write too."""


class Unwritten:
    """Events by the id of the host whose snapshots were evaluated; of each host in order. Used in the engine's thread."""

    def __init__(self) -> None:
        self._events: dict[str, list[Event]] = {}

    def __bool__(self) -> bool:
        return bool(self._events)

    def __contains__(self, host_id: str) -> bool:
        return host_id in self._events

    def note(self, host_id: str, events: Sequence[Event]) -> None:
        """Alerts of a host have fired or resolved: log and add them."""
        for event in events:
            where = f", host {event.host}" if event.host_id else ""
            if event.resolved_at is None:
                log.warning("alert, %s: %s (rule %r%s)", event.severity, event.summary, event.rule, where)
            else:
                because = event.resolved_because
                log.info("alert resolved: %s (rule %r%s): %s", event.summary, event.rule, where, because)
        self.add(host_id, events)

    def add(self, host_id: str, events: Sequence[Event]) -> None:
        """The next events of a host."""
        if events:
            self._events.setdefault(host_id, []).extend(events)

    def first(self) -> dict[str, list[Event]]:
        """What to write next. All of another host, because its position in the stream goes with them; of the hub itself, with the
        rules about hosts, MOST_AT_ONCE.
        """
        found: dict[str, list[Event]] = {}
        count = 0
        for host_id, events in self._events.items():
            if count >= MOST_AT_ONCE:
                break
            found[host_id] = [*events] if host_id else events[:MOST_AT_ONCE]
            count += len(found[host_id])
        return found

    def forget(self, written: Mapping[str, list[Event]]) -> None:
        """They are in the database."""
        for host_id, events in written.items():
            del self._events[host_id][: len(events)]
            if not self._events[host_id]:
                del self._events[host_id]
