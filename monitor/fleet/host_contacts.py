"""Whether a host of the fleet sends readings, for the rules about hosts."""

from __future__ import annotations

from monitor.fleet.live_host import LiveHost
from monitor.rules.host_contact import HostContact

RECONNECT_SECONDS = 180.0
"""How long after the hub's start a host that has not connected yet does not count as down: agents wait up to a minute between two
attempts, and one attempt can last a quarter of that."""
_WHY_GONE = {"retired": "the host was retired", "revoked": "the key of the host was revoked"}
_WHY_NOT_EXPECTED = {
    **_WHY_GONE,
    "may_be_off": "the host is marked as one that may be off",
    "pending": "the host waits for an administrator",
}


def contact_of(
    host: LiveHost, *, at: float, started_at: float, wall_time: float, trouble: str | None = None
) -> HostContact:
    """As of now. `at`, `started_at`: now and the hub's start, by its monotonic clock; `wall_time`: now in Unix seconds. `trouble`:
    why other processes are not heard.
    """
    row, state = host.row, "active" if host.row is None else host.row.state
    is_down: bool | None = not host.is_heard(at)
    if (host.heard_at is None and at - started_at < RECONNECT_SECONDS) or (host.socket is None and trouble is not None):
        is_down = None
    seen_at = row.last_seen_at.timestamp() if row and row.last_seen_at else None
    return HostContact(
        host_id=host.host_id,
        name=host.name,
        tags=host.tags,
        is_down=is_down,
        last_heard_at=seen_at if host.heard_at is None else wall_time - (at - host.heard_at),
        why_not_expected=_WHY_NOT_EXPECTED.get(state, ""),
        is_gone=state in _WHY_GONE,
    )
