"""A week of usage for the reports: quarter-hours of one GPU."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from monitor.models.usage import UsageGpu, UsageHolder, UsagePeriod, UsageShare, UsageSlice

MONDAY = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
"""The reports of the week before are due."""


def use(at: datetime, *users: str, hours: float = 0.25, command: str = "python train.py") -> None:
    """A quarter-hour of GPU 0, busy for these users in equal parts."""
    gpu, is_new = UsageGpu.objects.get_or_create(uuid="GPU-0", defaults={"index": 0, "name": "H100", "host": "dgx"})
    if is_new:
        UsagePeriod.objects.create(gpu=gpu, start=(MONDAY - timedelta(days=30)).timestamp(), end=MONDAY.timestamp())
    start, ms = int(at.timestamp()), round(hours * 3_600_000)
    UsageSlice.objects.create(
        gpu=gpu, start=start, busy_ms=ms, held_ms=0, nobody_ms=0, free_ms=900_000 - ms, lost_ms=0, unread_ms=0,
        energy_joules=720_000, energy_ms=900_000,
    )  # fmt: skip
    for user in users:
        names = {"program": "python", "last_at": start}
        holder, _ = UsageHolder.objects.get_or_create(user=user, command=command, defaults=names)
        columns = ("user_ms", "container_ms", "program_ms", "command_ms", "job_ms", "sm_known_ms")
        share = ms // len(users)
        UsageShare.objects.create(
            gpu=gpu, start=start, holder=holder, share_ms=share, held_ms=share // 2, zero_ms=0, energy_joules=0,
            sm_percent_seconds=ms // 1000 * 40, memory_mib_seconds=0, **dict.fromkeys(columns, ms),
        )  # fmt: skip
