"""One host in the recorder: its snapshots that are not written yet, and the rows that the database has of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from monitor.history import gaps, store
from monitor.history.buckets import Buckets
from monitor.history.gaps import Gap
from monitor.history.intake import Intake, OfSource, Unwritten
from monitor.history.store import HOST, Filled, Written
from monitor.models import HistoryGap, HistorySource
from monitor.telemetry.schema import Snapshot

SAVE_SECONDS = 600
"""Interval at which the end of a source's last bucket is written down."""


class Pause(NamedTuple):
    """The time before this run of the recorder, in which nothing was recorded."""

    start: float
    end: float
    reason: str


class Batch(NamedTuple):
    """What is written of a host in one transaction."""

    live: Unwritten
    late: Unwritten
    written: list[Written]
    gaps: list[HistoryGap]
    filled: Filled | None


class RecordedHost:
    """`take` and `open_buckets` may be called from any thread; the rest belongs to the recorder's."""

    def __init__(self, host_id: str) -> None:
        self.host_id = host_id
        self.name = ""
        self.first_at: float | None = None
        """When the first snapshot was made."""
        self.booted_at: float | None = None
        self.live = Intake(has_connection=host_id != store.OWN)
        self.late = Intake(is_late=True)
        self._rows: dict[str, HistorySource] | None = None
        """None: not yet read."""
        self._saved: dict[str, tuple[object, ...]] = {}
        """What was last saved of each row."""
        self._gap_rows: dict[tuple[Intake, str | None], HistoryGap] = {}
        """The last row of each source: a gap that goes on changes its end."""

    def take(self, snapshot: Snapshot, *, is_late: bool = False) -> None:
        """Queue the next snapshot."""
        self.name = snapshot.host
        if self.first_at is None:
            self.booted_at = snapshot.system.booted_at if snapshot.system else None
            self.first_at = snapshot.time
        (self.late if is_late else self.live).take(snapshot)

    def read_waiting(self) -> None:
        """Add the snapshots that have come to the buckets."""
        self.live.read_waiting()
        self.late.read_waiting()

    @property
    def source_count(self) -> int:
        """GPUs, and the host."""
        return self.live.source_count + self.late.source_count

    def drop_excess(self, source_count: int) -> None:
        """See Intake."""
        self.live.drop_excess(source_count)
        self.late.drop_excess(source_count)

    def clear(self) -> None:
        """Forget everything: the history was switched off."""
        self.live.clear()
        self.late.clear()
        self.first_at = None
        self.forget_rows()

    def forget_rows(self) -> None:
        """It may be another database now."""
        self._rows = None

    # ── Writing ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def batch(self, pause: Pause | None, *, now: float, is_last: bool) -> Batch:
        """What is to be written. `pause`: before this run; None in a new history. Reads the database."""
        if self._rows is None:
            self._rows = self._opened(pause)
            self._saved.clear()
            self._gap_rows.clear()
        rows = self._rows
        live, late = self.live.unwritten(is_last=is_last), self.late.unwritten(is_last=is_last)
        written = [Written(self._row(rows, each, now), each.parts, is_last) for each in live.sources]
        written += [
            Written(self._late_row(rows, each, now), each.parts, is_changed=True)
            for each in self._new(rows, late.sources)
            if each.parts or each.key not in rows
        ]
        filled = Filled(self.host_id, late.filled) if late.filled else None
        changed = [self._gap_row(rows, self.live, *gap) for gap in live.gaps]
        changed += [self._gap_row(rows, self.late, *gap) for gap in late.gaps]
        marked = [
            each._replace(is_changed=each.is_changed or _facts(each.source) != self._saved.get(each.source.key))
            for each in written
        ]
        return Batch(live, late, marked, changed, filled)

    def wrote(self, batch: Batch) -> None:
        """The batch is in the database."""
        self._saved.update({each.source.key: _facts(each.source) for each in batch.written})
        for intake, unwritten in ((self.live, batch.live), (self.late, batch.late)):
            intake.forget(unwritten)
        keys = [(self.live, key) for key, _gap in batch.live.gaps] + [(self.late, key) for key, _gap in batch.late.gaps]
        self._gap_rows.update(zip(keys, batch.gaps, strict=True))

    def _opened(self, pause: Pause | None) -> dict[str, HistorySource]:
        """The sources of earlier runs. The time since then is a gap."""
        first_at, last = self.first_at, store.last_moment(self.host_id)
        if last is not None and pause is not None and first_at is not None:
            for gap in self._gaps_before(pause, last, first_at):
                self.live.add_gap(None, gap)
        rows = {row.key: row for row in store.sources(self.host_id)}
        newest = max((row.last_at for row in rows.values()), default=0)
        self.live.expect(
            row.key for row in rows.values() if row.kind != HOST and row.last_at >= newest - 2 * SAVE_SECONDS
        )
        return rows

    def _gaps_before(self, pause: Pause, last: float, first_at: float) -> list[Gap]:
        if self.host_id != store.OWN:
            return gaps.without_connection(last, first_at, *pause)
        if pause.reason == gaps.NOT_RUNNING:
            return gaps.since_the_last_run(last, first_at, self.booted_at)
        return [Gap(int(last), int(first_at), pause.reason)] if last < first_at else []

    def _row(self, rows: dict[str, HistorySource], unwritten: OfSource, now: float) -> HistorySource:
        key, facts, parts = unwritten
        row = rows.get(key)
        if row is None:
            row = HistorySource(host_id=self.host_id, key=key, kind=HOST if key == HOST else "gpu")
            row.first_at = row.last_at = parts[0].starts[0] if parts else int(now)
            rows[key] = row
        row.host = self.name[:255]
        if facts.name:
            row.name, row.index, row.limits = facts.name[:200], facts.gpu_index, facts.limits
        if parts:
            row.last_at = parts[-1].starts[-1] + 1
        return row

    def _gap_row(self, rows: dict[str, HistorySource], intake: Intake, key: str | None, gap: Gap) -> HistoryGap:
        row = self._gap_rows.get((intake, key))
        source = None if key is None else rows.get(key)
        if row is None or (row.start, row.reason) != (gap.start, gap.reason):
            row = store.find_gap(self.host_id, source, gap.start, gap.reason)
            row = row or HistoryGap(host_id=self.host_id, start=gap.start, reason=gap.reason)
        row.source = source
        row.end, row.text = gap.end, gap.text
        return row

    # ── Late readings ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _late_row(self, rows: dict[str, HistorySource], unwritten: OfSource, now: float) -> HistorySource:
        """What newer readings have said of the source stays."""
        row = rows.get(unwritten.key)
        if row is None:
            return self._row(rows, unwritten, now)
        for part in unwritten.parts:
            row.first_at, row.last_at = min(row.first_at, part.starts[0]), max(row.last_at, part.starts[-1] + 1)
        return row

    def _new(self, rows: dict[str, HistorySource], sources: Sequence[OfSource]) -> list[OfSource]:
        """Without the seconds that have been recorded: an agent repeats what may not have arrived."""
        late = [each for each in sources if each.parts]
        if not late:
            return [*sources]
        start = min(part.starts[0] for each in late for part in each.parts)
        end = max(part.starts[-1] for each in late for part in each.parts) + 1
        ids = {each.key: rows[each.key].pk for each in late if each.key in rows and rows[each.key].pk is not None}
        stored = store.stored_seconds(ids.values(), start, end)
        found = []
        for each in late:
            taken = {*self.live.open_buckets(each.key, ()).covered, *stored.get(ids.get(each.key, 0), ())}
            found.append(each._replace(parts=_without(each.parts, taken)))
        return [*found, *(each for each in sources if not each.parts)]


def _facts(row: HistorySource) -> tuple[object, ...]:
    return row.host, row.name, row.index, row.limits, row.last_at // SAVE_SECONDS


def _without(parts: Sequence[Buckets], taken: set[int]) -> list[Buckets]:
    """The buckets that start at none of these seconds, and at none of an earlier part."""
    found = []
    for part in parts:
        places = [place for place, start in enumerate(part.starts) if start not in taken]
        taken.update(part.starts)
        if places:
            found.append(part if len(places) == len(part.starts) else part.at(places))
    return found
