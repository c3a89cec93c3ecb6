"""Fires when nothing arrives from another host of the fleet."""

from __future__ import annotations

from datetime import UTC, datetime

from monitor.rules.columns import Column, HostName, Memory, Tick
from monitor.rules.judge import Change
from monitor.rules.kinds.base import Kind, Words, detail_of
from monitor.rules.rule import Rule
from monitor.rules.sentences import lasted, lasted_seconds
from monitor.telemetry.schema import Alert

REMOVED = "the host was removed from the fleet"
_DAY_SECONDS = 86_400


class HostDown(Kind):
    """Evaluated with the hub's own snapshots and clock. Its subjects are the other hosts, by their ids."""

    name = "host_down"
    label = "Host down"
    help = "Nothing arrives from another host of the fleet: three readings in a row are missing."
    is_of_fleet = True
    is_yes_or_no = True
    why_not_stored = "the history does not store when hosts were connected"
    why_not_previewed = "The connections of other hosts are not kept, so there is no preview of rules of this kind."

    def column(self, tick: Tick, rule: Rule, memory: Memory) -> Column:
        contacts = [
            contact
            for contact in (tick.contacts or {}).values()
            if not contact.why_not_expected and rule.which.fits_host(contact.name, contact.tags)
        ]
        return Column(
            [contact.host_id for contact in contacts],
            [None if contact.is_down is None else float(contact.is_down) for contact in contacts],
            details=contacts,
        )

    def is_of_host(self, rule: Rule) -> bool:
        return True

    def host_of(self, change: Change, tick: Tick) -> HostName:
        contact = detail_of(change)
        return HostName(contact.name, contact.host_id)

    def condition(self, rule: Rule) -> str:
        return "host down"

    def words(self, change: Change, tick: Tick) -> Words:
        contact = detail_of(change)
        return Words(f"{contact.name} went down{_last_heard(contact.last_heard_at, tick.snapshot.time)}")

    def summary_when_over(self, alert: Alert, rule: Rule) -> str:
        return alert.summary if lasted_seconds(alert) is None else f"{alert.host} was down for {lasted(alert)}"

    def why_cleared(self, change: Change) -> str:
        return "the host sends readings again"

    def why_gone(self, key: str, tick: Tick | None) -> str:
        contact = (tick.contacts or {}).get(key) if tick else None
        if contact is None:
            return REMOVED
        return contact.why_not_expected or "the rule no longer applies to this host"

    def subject_label(self, key: str, column: Column, place: int) -> str:
        return str(column.details[place].name)

    def chart_title(self, rule: Rule, *, is_offset: bool) -> str:
        return "host down"


def _last_heard(at: float | None, now: float) -> str:
    if at is None:
        return ""
    day = "%Y-%m-%d " if now - at >= _DAY_SECONDS else ""
    return f" · last reading {datetime.fromtimestamp(at, UTC).strftime(f'{day}%H:%M:%S')} UTC"
