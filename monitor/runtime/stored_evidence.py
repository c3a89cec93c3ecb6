"""What the history has of the minutes before an alert of another host: of those hosts, no snapshots are kept in memory."""

from __future__ import annotations

from django.db import DatabaseError, InterfaceError

from monitor.alerts.evidence import BEFORE_SECONDS, Gap
from monitor.alerts.evidence_case import Case, Earlier
from monitor.database.engine import engine_of
from monitor.history.database import history_connection
from monitor.history.queries import Answer, Newest, history
from monitor.history.store import HOST
from monitor.history.trial.stored_snapshots import is_stored

WAIT_SECONDS = 0.5
"""How long the alert engine's thread waits for the database at a time."""


def stored_before(case: Case, *, newest: Newest) -> Earlier:
    """The stored values of the case's metrics in its span, each second. Metrics that are not stored are unknown.

    `newest`: seconds that are not in the database yet. Raises Django's database errors.
    """
    engine_of(history_connection()).limit_waits(WAIT_SECONDS)
    try:
        answers = {metric: _answer(case, metric, newest) for metric in case.metrics}
    except (DatabaseError, InterfaceError):
        history_connection().close()
        raise
    known = [answer for answer in answers.values() if answer is not None]
    start, end = case.span
    times = sorted({at for answer in known for at in answer.time if start <= at <= end})
    columns = [_at(times, answer) for answer in answers.values()]
    gaps = known[0].gaps if known else []
    return Earlier(times, columns, [Gap(max(start, gap.start), min(end, gap.end), gap.text) for gap in gaps])


def _answer(case: Case, metric: str, newest: Newest) -> Answer | None:
    """None for a metric that is not stored."""
    of, _, name = metric.partition(".")
    source = HOST if of == "system" else case.event.gpu_uuid
    if source is None or not is_stored(metric):
        return None
    [answer] = history(source, [name], *case.span, int(BEFORE_SECONDS) + 1, newest=newest, host_id=case.host_id)
    return answer


def _at(times: list[int], answer: Answer | None) -> list[float | None]:
    values = {} if answer is None else dict(zip(answer.time, answer.mean, strict=True))
    return [values.get(at) for at in times]
