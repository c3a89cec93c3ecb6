"""The stored history with its newest readings, which the recorder has not written yet."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import DatabaseError

from monitor.history.queries import Answer, history
from monitor.history.store import OWN
from monitor.runtime.process import runtime
from monitor.sqlite.errors import is_damage


def stored(
    source: str, metrics: Sequence[str], start: float, end: float, points: int, *, host_id: str = OWN
) -> list[Answer]:
    """An answer for each metric of a GPU (by UUID) or of a host itself. Blocks. Raises Django's database errors."""
    recorder = runtime().history
    try:
        return history(source, metrics, start, end, points, newest=recorder.open_buckets, host_id=host_id)
    except DatabaseError as error:
        if is_damage(error):
            recorder.look_for_damage()
        raise
