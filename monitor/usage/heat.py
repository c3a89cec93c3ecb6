"""When the GPUs are busy: by weekday and hour of a time zone, the mean number that were busy, idle-held and free."""

from __future__ import annotations

from datetime import datetime, tzinfo

import msgspec
from django.db.models import Count, Sum

from monitor.models.usage import UsageSlice
from monitor.usage.slices import SLICE_SECONDS, slice_start


class HeatCell(msgspec.Struct, frozen=True, kw_only=True):
    """One hour of one weekday. An hour that the clock goes through twice, or skips, counts as long as it lasted."""

    busy: float | None
    """Mean number of GPUs; None without readings."""
    held: float | None
    free: float | None
    gpus: float | None
    """Mean number of GPUs that the hosts had. It is the sum of the three."""
    seconds: float
    """How much time there were readings of."""


class Heat(msgspec.Struct, frozen=True, kw_only=True):
    """Seven rows, Monday first, of 24 hours each."""

    days: tuple[tuple[HeatCell, ...], ...]
    most: float
    """The largest number of GPUs of any cell: the end of the scale."""


def heat(start: float, end: float, zone: tzinfo, host_id: str | None = None) -> Heat:
    """Over the closed quarter-hours of the span, of a host or of all; reads the database."""
    of_host = {} if host_id is None else {"gpu__host_id": host_id}
    sums = [[_Sums() for _hour in range(24)] for _day in range(7)]
    rows = (
        UsageSlice.objects.filter(
            start__gte=slice_start(start + SLICE_SECONDS - 1), start__lt=slice_start(end), **of_host
        )
        .values_list("start")
        .annotate(Sum("busy_ms"), Sum("held_ms"), Sum("free_ms"), Count("id"))
        .order_by()
    )
    for at, busy, held, free, gpus in rows:
        local = datetime.fromtimestamp(at, zone)
        sums[local.weekday()][local.hour].add(float(busy), float(held), float(free), gpus)
    days = tuple(tuple(each.cell() for each in day) for day in sums)
    return Heat(days=days, most=max((cell.gpus or 0.0 for day in days for cell in day), default=0.0))


class _Sums:
    """Of one cell, in milliseconds of GPUs."""

    def __init__(self) -> None:
        self.busy = self.held = self.free = self.slices = self.weighted = 0.0

    def add(self, busy: float, held: float, free: float, gpus: int) -> None:
        read = busy + held + free
        self.busy += busy
        self.held += held
        self.free += free
        self.slices += read / gpus
        self.weighted += read

    def cell(self) -> HeatCell:
        if not self.weighted:
            return HeatCell(busy=None, held=None, free=None, gpus=None, seconds=0.0)
        return HeatCell(
            busy=self.busy / self.slices,
            held=self.held / self.slices,
            free=self.free / self.slices,
            gpus=self.weighted / self.slices,
            seconds=self.slices / 1000,
        )
