"""Writes what the ledger has closed, and the journals, of all hosts in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from django.conf import settings
from django.db import transaction
from django.db.models import Max

from monitor.models.usage import (
    UsageGpu,
    UsageHolder,
    UsageJournal,
    UsagePeriod,
    UsageProcess,
    UsageShare,
    UsageSlice,
    UsageSpan,
    UsageUser,
)
from monitor.usage.accounts import (
    AddedProcess,
    AddedSlice,
    Closed,
    ClosedProcess,
    ClosedSlice,
    ClosedSpan,
    GpuAccount,
    HolderAccount,
    Journal,
    OpenProcess,
    Period,
    pack,
)
from monitor.usage.holders import Holder
from monitor.usage.process_log import SAME_START_SECONDS
from monitor.usage.slices import SLICE_SECONDS

Row = TypeVar("Row", UsageSlice, UsageShare)

HUES = 8
_LARGEST = (1 << 31) - 1
_MIB = 1 << 20
_OF_SLICE = ("busy_ms", "held_ms", "nobody_ms", "free_ms", "lost_ms", "unread_ms", "energy_joules", "energy_ms")
_OF_SHARE = (
    "share_ms", "user_ms", "container_ms", "program_ms", "command_ms", "job_ms", "held_ms", "zero_ms", "sm_known_ms",
    "sm_percent_seconds", "memory_mib_seconds", "energy_joules",
)  # fmt: skip


OWN = ""
"""The host id of this server's own host."""


class Unsaved(NamedTuple):
    """What there is to write of a host."""

    host_id: str
    journal: Journal
    closed: Sequence[Closed]


def is_recorded(host_id: str, uuid: str, start: int) -> bool:
    """Whether the slice of this GPU that starts then is in the database."""
    return UsageSlice.objects.filter(gpu__host_id=host_id, gpu__uuid=uuid, start=start).exists()


def save(unsaved: Sequence[Unsaved]) -> None:
    """Write all of it or nothing, but for the names of who held something. Raises DatabaseError."""
    journals = [
        UsageJournal(host_id=each.host_id, until=each.journal.until, data=pack(each.journal)) for each in unsaved
    ]
    last = _last_times(unsaved)
    users = {holder.user for each in unsaved for gpu in each.journal.gpus.values() for holder in gpu.account.holders}
    # In a transaction of their own, because engines of one hub share these rows: none waits for the long one of another.
    with transaction.atomic(using=settings.HISTORY_DATABASE):
        _write_users(users | {holder.user for holder in last})
        holders = _written_holders(last)
    with transaction.atomic(using=settings.HISTORY_DATABASE):
        for each in unsaved:
            _Writer(*each, holders).write()
        UsageJournal.objects.bulk_create(
            journals, update_conflicts=True, unique_fields=["host_id"], update_fields=["until", "data"]
        )


class _Writer:
    """One host in one transaction. Ids are looked up each time: the file can have been replaced since the last one."""

    def __init__(self, host_id: str, journal: Journal, closed: Sequence[Closed], holders: Mapping[Holder, int]) -> None:
        """`holders`: the ids of all that are in `closed`."""
        self._host_id = host_id
        self._journal = journal
        self._closed = closed
        self._gpus: dict[str, int] = {}
        self._open: dict[int, UsagePeriod] = {}
        """By GPU."""
        self._holders = holders

    def write(self) -> None:
        if not self._closed and UsageGpu.objects.filter(host_id=self._host_id).exists():
            return
        self._write_gpus()
        self._write_periods([each for each in self._closed if isinstance(each, Period)])
        slices = [each for each in self._closed if isinstance(each, ClosedSlice | AddedSlice)]
        processes = [each for each in self._closed if isinstance(each, ClosedProcess | AddedProcess)]
        self._write_slices([each for each in slices if isinstance(each, ClosedSlice)])
        self._add_slices([each for each in slices if isinstance(each, AddedSlice)])
        self._write_processes([each for each in processes if each.uuid in self._gpus])
        UsageSpan.objects.bulk_create(
            UsageSpan(gpu_id=self._gpus[each.uuid], start=each.span.start, end=each.span.end, state=each.span.state,
                      user=each.span.user)
            for each in self._closed
            if isinstance(each, ClosedSpan) and each.uuid in self._gpus
        )  # fmt: skip

    def _write_gpus(self) -> None:
        rows = {row.uuid: row for row in UsageGpu.objects.filter(host_id=self._host_id)}
        for gpu in self._journal.gpus.values():
            row = rows.setdefault(gpu.uuid, UsageGpu(host_id=self._host_id, uuid=gpu.uuid))
            facts = gpu.index, gpu.name[:200], gpu.host[:255]
            if row.pk is None or facts != (row.index, row.name, row.host):
                row.index, row.name, row.host = facts
                row.save()
        self._gpus = {uuid: row.pk for uuid, row in rows.items()}

    def _write_periods(self, periods: Iterable[Period]) -> None:
        open_ones = UsagePeriod.objects.filter(end=None, gpu_id__in=self._gpus.values())
        self._open = {row.gpu_id: row for row in open_ones}
        for period in periods:
            if period.uuid in self._gpus:  # else it came and went between two writes
                self._write_period(self._gpus[period.uuid], period)
        for gpu in self._journal.gpus.values():
            self._write_period(self._gpus[gpu.uuid], Period(gpu.uuid, gpu.since, None))
        here = [self._gpus[gpu.uuid] for gpu in self._journal.gpus.values()]
        for left in open_ones.exclude(gpu_id__in=here):  # the journal that knew them is lost
            last = UsageSlice.objects.filter(gpu_id=left.gpu_id).aggregate(last=Max("start"))["last"]
            left.end = max(left.start, 0.0 if last is None else float(last + SLICE_SECONDS))
            left.save()

    def _write_period(self, gpu: int, period: Period) -> None:
        """A GPU that is there before and after a loss of the journal was there in between."""
        known = self._open.get(gpu)
        if known is None:
            made = UsagePeriod.objects.create(gpu_id=gpu, start=period.start, end=period.end)
            if period.end is None:
                self._open[gpu] = made
        elif period.end is not None or period.start < known.start:
            known.start, known.end = min(period.start, known.start), period.end
            known.save()
            if period.end is not None:
                del self._open[gpu]

    def _write_slices(self, slices: list[ClosedSlice]) -> None:
        """A slice that is there already stays as it is."""
        starts = {each.account.start for each in slices}
        rows = UsageSlice.objects.filter(start__in=starts, gpu_id__in=self._gpus.values())
        there = set(rows.values_list("gpu_id", "start"))
        new = {
            (each.uuid, each.account.start): each
            for each in slices
            if each.uuid in self._gpus and (self._gpus[each.uuid], each.account.start) not in there
        }
        UsageSlice.objects.bulk_create(_slice(self._gpus[each.uuid], each.account) for each in new.values())
        UsageShare.objects.bulk_create(
            _share(self._gpus[each.uuid], each.account.start, self._holders[holder], account)
            for each in new.values()
            for holder, account in each.account.holders.items()
        )

    def _add_slices(self, slices: list[AddedSlice]) -> None:
        """Add late time to the slices that are there; the others begin with it."""
        for each in slices:
            gpu, account = self._gpus.get(each.uuid), each.account
            if gpu is None:
                continue
            made = _slice(gpu, account)
            row = UsageSlice.objects.filter(gpu_id=gpu, start=account.start).first()
            _summed(row, made, _OF_SLICE).save()
            shares = {row.holder_id: row for row in UsageShare.objects.filter(gpu_id=gpu, start=account.start)}
            for holder, of_holder in account.holders.items():
                share = _share(gpu, account.start, self._holders[holder], of_holder)
                _summed(shares.get(share.holder_id), share, _OF_SHARE).save()

    def _write_processes(self, processes: Sequence[ClosedProcess | AddedProcess]) -> None:
        """A process that was seen before and after readings that come late is one, whatever of it is written first."""
        new = []
        for each in processes:
            row = None
            if isinstance(each, AddedProcess) and each.process.started_at is not None:
                row = self._written(self._gpus[each.uuid], each.process.pid, each.process.started_at)
            made = self._process(each.uuid, each.process)
            if row is None:
                new.append(made)
            else:
                _joined(row, made).save()
        UsageProcess.objects.bulk_create(new)

    def _written(self, gpu: int, pid: int, started_at: float) -> UsageProcess | None:
        around = (started_at - SAME_START_SECONDS, started_at + SAME_START_SECONDS)
        return UsageProcess.objects.filter(gpu_id=gpu, pid=pid, started_at__range=around).order_by("-last_at").first()

    def _process(self, uuid: str, process: OpenProcess) -> UsageProcess:
        return UsageProcess(
            gpu_id=self._gpus[uuid],
            holder_id=self._holders[process.holder],
            pid=process.pid,
            started_at=process.started_at,
            command_line=process.command_line,
            container_id=process.container_id[:64],
            pod=process.pod[:150],
            first_at=process.first_at,
            last_at=process.last_at,
            seconds=process.seconds,
            memory_mean_bytes=process.memory_mean_bytes,
            memory_peak_bytes=process.memory_peak_bytes,
            sm_percent=process.sm_percent,
            zero_seconds=process.zero_seconds,
            is_from_accounting=process.is_from_accounting,
        )


def _summed(row: Row | None, more: Row, names: Sequence[str]) -> Row:
    """The row with what is added to it; the added one itself, if there is no row."""
    if row is None:
        return more
    for name in names:
        setattr(row, name, min(_LARGEST, getattr(row, name) + getattr(more, name)))
    return row


def _joined(row: UsageProcess, more: UsageProcess) -> UsageProcess:
    """Both parts of a process. Means are weighted by how long it was seen."""
    total = (row.seconds + more.seconds) or 1.0
    for name in ("memory_mean_bytes", "sm_percent"):
        before, after = getattr(row, name), getattr(more, name)
        if before is None or after is None:
            mean = after if before is None else before
        else:
            mean = (before * row.seconds + after * more.seconds) / total
        setattr(row, name, mean if mean is None or name == "sm_percent" else round(mean))
    peaks = [each for each in (row.memory_peak_bytes, more.memory_peak_bytes) if each is not None]
    row.memory_peak_bytes = max(peaks, default=None)
    row.first_at, row.last_at = min(row.first_at, more.first_at), max(row.last_at, more.last_at)
    row.seconds, row.zero_seconds = row.seconds + more.seconds, row.zero_seconds + more.zero_seconds
    return row


def _last_times(unsaved: Iterable[Unsaved]) -> dict[Holder, int]:
    """When each holder of what is closed held something last."""
    last: dict[Holder, int] = {}
    for closed in (each for host in unsaved for each in host.closed):
        if isinstance(closed, ClosedProcess | AddedProcess):
            last[closed.process.holder] = max(int(closed.process.last_at), last.get(closed.process.holder, 0))
        elif isinstance(closed, ClosedSlice | AddedSlice):
            for holder in closed.account.holders:
                last[holder] = max(closed.account.start, last.get(holder, 0))
    return last


def _written_holders(last: Mapping[Holder, int]) -> dict[Holder, int]:
    """Write when each has held something last. Returns their ids."""
    if not last:
        return {}
    users = {holder.user for holder in last}
    rows = UsageHolder.objects.filter(user__in=users)
    known = {Holder(*names): (id_, at) for id_, at, *names in rows.values_list("pk", "last_at", *Holder._fields)}
    UsageHolder.objects.bulk_create(
        [UsageHolder(last_at=last[holder], **holder._asdict()) for holder in sorted(last) if holder not in known],
        ignore_conflicts=True,  # another engine may have written it meanwhile
    )
    later = [(known[holder][0], at) for holder, at in last.items() if holder in known and known[holder][1] < at]
    UsageHolder.objects.bulk_update([UsageHolder(pk=id_, last_at=at) for id_, at in sorted(later)], ["last_at"])
    return {Holder(*names): id_ for id_, *names in rows.values_list("pk", *Holder._fields)}


def _write_users(names: set[str]) -> None:
    """The next free hue to each new user, in the order of their names where several are new."""
    known = dict(UsageUser.objects.values_list("name", "hue"))
    taken = set(known.values())
    new = []
    for name in sorted(names - known.keys() - {""}):
        hue = next((hue for hue in range(1, HUES + 1) if hue not in taken), 0)
        taken.add(hue)
        new.append(UsageUser(name=name, hue=hue))
    UsageUser.objects.bulk_create(new, ignore_conflicts=True)  # another engine may have written one meanwhile


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _whole(value: float) -> int:
    return min(_LARGEST, round(value))


def _slice(gpu: int, account: GpuAccount) -> UsageSlice:
    return UsageSlice(
        gpu_id=gpu,
        start=account.start,
        busy_ms=_ms(account.busy),
        held_ms=_ms(account.held),
        nobody_ms=_ms(account.nobody),
        free_ms=_ms(account.free),
        lost_ms=_ms(account.lost),
        unread_ms=_ms(account.unread),
        energy_joules=_whole(account.energy_joules),
        energy_ms=_ms(account.energy_known),
    )


def _share(gpu: int, start: int, holder: int, account: HolderAccount) -> UsageShare:
    return UsageShare(
        gpu_id=gpu,
        start=start,
        holder_id=holder,
        share_ms=_ms(account.share),
        user_ms=_ms(account.user),
        container_ms=_ms(account.container),
        program_ms=_ms(account.program),
        command_ms=_ms(account.command),
        job_ms=_ms(account.job),
        held_ms=_ms(account.held),
        zero_ms=_ms(account.zero),
        sm_known_ms=_ms(account.sm_known),
        sm_percent_seconds=_whole(account.sm_percent_seconds),
        memory_mib_seconds=round(account.memory_byte_seconds / _MIB),
        energy_joules=_whole(account.energy_joules),
    )
