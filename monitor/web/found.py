"""What was found on this host, in one line: `serve` prints it below its address."""

from __future__ import annotations

from collections import Counter

from monitor.telemetry.providers import LABELS
from monitor.telemetry.schema import Snapshot

NOTHING = (
    "no GPU found, so only the host is shown; why, and what to do: .venv/bin/python manage.py doctor "
    "(installed: gpumon doctor)"
)


def found(snapshot: Snapshot | None) -> str | None:
    """The GPUs and who reads them, or that there are none; None while neither is known yet."""
    if snapshot is None:
        return None
    if snapshot.sampled_at is not None:
        count, names = len(snapshot.gpus), Counter(gpu.name for gpu in snapshot.gpus)
        told = ", ".join(f"{many} × {name}" if many > 1 else name for name, many in names.items())
        return f"{count} GPU{'' if count == 1 else 's'} by {LABELS.get(snapshot.provider or '', 'no provider')}: {told}"
    if snapshot.providers and not any(report.is_chosen for report in snapshot.providers):
        return NOTHING
    return None
