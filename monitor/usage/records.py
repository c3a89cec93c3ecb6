"""Reads what the ledger has for a span: the closed slices with two queries, the open ones from the journals."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from django.db.models import Sum

from monitor.models.fleet import FleetHost
from monitor.models.usage import UsageGpu, UsageHolder, UsageJournal, UsagePeriod, UsageShare, UsageSlice
from monitor.usage.accounts import BadJournal, GpuAccount, HolderAccount, Journal, unpack
from monitor.usage.existence import Lifetime, lifetimes
from monitor.usage.holders import Holder
from monitor.usage.slices import SLICE_SECONDS, slice_start
from monitor.usage.store import OWN

RECENT_SECONDS = 150.0
"""The journal is written once a minute: a span that ends later by no more than this ends with the journal."""

_OF_GPU = ("busy_ms", "held_ms", "nobody_ms", "free_ms", "lost_ms", "unread_ms", "energy_joules", "energy_ms")
_OF_HOLDER = (
    "share_ms", "user_ms", "container_ms", "program_ms", "command_ms", "job_ms", "held_ms", "zero_ms", "sm_known_ms",
    "sm_percent_seconds", "memory_mib_seconds", "energy_joules",
)  # fmt: skip
_MIB = float(1 << 20)


class GpuSums(NamedTuple):
    """What a span has of one GPU. All in seconds but the energy."""

    existing: float
    """How long its host had it."""
    busy: float = 0.0
    held: float = 0.0
    nobody: float = 0.0
    free: float = 0.0
    lost: float = 0.0
    unread: float = 0.0
    energy_joules: float = 0.0
    energy_known: float = 0.0

    @property
    def read(self) -> float:
        """How long readings showed its use."""
        return self.busy + self.held + self.free

    @property
    def unknown(self) -> float:
        """How long nothing is known: GPU lost, no readings, server not running."""
        return max(0.0, self.existing - self.read)


class Span(NamedTuple):
    """Everything that a report needs."""

    start: float
    end: float
    recorded_from: float | None
    """Since when there are records; None without any."""
    gpus: Mapping[int, UsageGpu]
    """Those that the hosts had in the span, by the database's id."""
    sums: Mapping[int, GpuSums]
    shares: Mapping[tuple[int, Holder], HolderAccount]
    """By GPU and holder."""


def hosts() -> dict[str, str]:
    """The names of the hosts with usage, also of those that were deleted, by host id; this server's own is first."""
    names = {gpu.host_id: gpu.host for gpu in gpus_of(None).values()}
    return dict(sorted(names.items(), key=lambda each: (each[0] != OWN, each[1])))


def gpus_of(host_id: str | None) -> dict[int, UsageGpu]:
    """The GPUs of a host, or of all, by the database's id. A host that was renamed has its new name."""
    rows = UsageGpu.objects.all() if host_id is None else UsageGpu.objects.filter(host_id=host_id)
    names = dict(FleetHost.objects.values_list("host_id", "name"))
    gpus = {}
    for gpu in rows.order_by("pk"):
        gpu.host = names.get(gpu.host_id, gpu.host)
        gpus[gpu.pk] = gpu
    return gpus


def load_journals(host_id: str | None = None) -> dict[str, Journal]:
    """What is open of a host, or of all, by host id; without journals that cannot be continued."""
    rows = UsageJournal.objects.all() if host_id is None else UsageJournal.objects.filter(host_id=host_id)
    journals = {}
    for each, data in rows.values_list("host_id", "data"):
        with contextlib.suppress(BadJournal):
            journals[each] = unpack(bytes(data))
    return journals


def lifetimes_of(gpus: Mapping[int, UsageGpu], journals: Mapping[str, Journal], end: float) -> Mapping[int, Lifetime]:
    """When their hosts had these GPUs. Those of a host that was retired or deleted end with its last reading."""
    here = {OWN, *_hosts_of_the_fleet()}
    until = {}
    for host_id in {gpu.host_id for gpu in gpus.values()}:
        journal = journals.get(host_id)
        # Not to the journal's `until` only: slices that lie after it, because the clock was set back, are whole.
        recorded_until = journal.recorded_until if journal else _last_slice(host_id)
        until[host_id] = max(end, recorded_until) if host_id in here else recorded_until
    rows = UsagePeriod.objects.filter(gpu_id__in=gpus).values_list("gpu_id", "start", "end")
    return lifetimes(
        (gpu, start, max(start, until[gpus[gpu].host_id]) if last is None else last) for gpu, start, last in rows
    )


def _hosts_of_the_fleet() -> Iterable[str]:
    gone = (FleetHost.State.RETIRED, FleetHost.State.REVOKED)
    return FleetHost.objects.exclude(state__in=gone).values_list("host_id", flat=True)


def read_span(start: float, end: float, now: float, host_id: str | None = None) -> Span:
    """Read the records of a span, of a host or of all. Its end moves to now, and to the end of the journals if that is at most just
    before.
    """
    journals = load_journals(host_id)
    end = min(end, now)
    until = _recorded_until(journals, host_id)
    if start < until < end <= until + RECENT_SECONDS:
        end = until
    known = gpus_of(host_id)
    lives = lifetimes_of(known, journals, end)
    existing = {gpu: life.within(start, end) for gpu, life in lives.items()}
    gpus = {gpu: known[gpu] for gpu, seconds in existing.items() if seconds > 0}
    reader = _Reader(start, end, lives)
    if gpus and start < end:
        reader.read(journals, gpus, is_of_one=host_id is not None)
    recorded_from = min((life.spans[0][0] for life in lives.values()), default=None)
    sums = {gpu: GpuSums(existing[gpu], *reader.gpus.get(gpu, ())) for gpu in gpus}
    return Span(start, end, recorded_from, gpus, sums, reader.shares)


def _recorded_until(journals: Mapping[str, Journal], host_id: str | None) -> float:
    """Until when all hosts are recorded from which something has just come."""
    if not journals:
        return _last_slice(host_id)
    newest = max(journal.until for journal in journals.values())
    return min(journal.until for journal in journals.values() if journal.until >= newest - RECENT_SECONDS)


def _last_slice(host_id: str | None) -> float:
    """The end of the last slice of a host, or of all."""
    rows = UsageSlice.objects.all() if host_id is None else UsageSlice.objects.filter(gpu__host_id=host_id)
    last = rows.order_by("-start").values_list("start", flat=True).first()
    return 0.0 if last is None else float(last + SLICE_SECONDS)


class _Reader:
    """Adds up whole slices, and of those at the edges the part that lies in the span."""

    def __init__(self, start: float, end: float, lives: Mapping[int, Lifetime]) -> None:
        self._start, self._end, self._lives = start, end, lives
        self.gpus: dict[int, list[float]] = {}
        self.shares: dict[tuple[int, Holder], HolderAccount] = {}

    def read(self, journals: Mapping[str, Journal], gpus: Mapping[int, UsageGpu], *, is_of_one: bool) -> None:
        """`gpus`: by id. `is_of_one`: of one host, so that other rows need not be read."""
        first, last = slice_start(self._start), slice_start(self._end)
        edges = {first, last}
        after = first + SLICE_SECONDS
        holders = {
            id_: Holder(*names)
            for id_, *names in UsageHolder.objects.filter(last_at__gte=first).values_list("id", *Holder._fields)
        }
        of_gpus = {"gpu_id__in": gpus} if is_of_one else {}
        whole = {"start__gte": after, "start__lt": last, **of_gpus}
        for gpu, *sums in UsageSlice.objects.filter(**whole).values_list("gpu_id").annotate(*map(Sum, _OF_GPU)):
            self._add_gpu(gpu, _gpu_seconds(sums), 1.0)
        for gpu, holder, *sums in (
            UsageShare.objects.filter(**whole).values_list("gpu_id", "holder_id").annotate(*map(Sum, _OF_HOLDER))
        ):
            self._add_share(gpu, holders[holder], _holder_account(sums), 1.0)
        parts = {"start__in": edges, **of_gpus}
        for start, gpu, *values in UsageSlice.objects.filter(**parts).values_list("start", "gpu_id", *_OF_GPU):
            self._add_gpu(gpu, _gpu_seconds(values), self._part(gpu, start, start + SLICE_SECONDS))
        for start, gpu, holder, *values in UsageShare.objects.filter(**parts).values_list(
            "start", "gpu_id", "holder_id", *_OF_HOLDER
        ):
            self._add_share(
                gpu, holders[holder], _holder_account(values), self._part(gpu, start, start + SLICE_SECONDS)
            )
        ids = {(gpu.host_id, gpu.uuid): id_ for id_, gpu in gpus.items()}
        for host_id, journal in journals.items():
            for known in journal.gpus.values():
                if (host_id, known.uuid) in ids and not known.account.is_recorded_elsewhere:
                    self._add_open(ids[host_id, known.uuid], known.account, journal.until)

    def _add_open(self, gpu: int, account: GpuAccount, until: float) -> None:
        part = self._part(gpu, account.start, min(account.start + SLICE_SECONDS, until))
        values = [
            account.busy, account.held, account.nobody, account.free, account.lost, account.unread,
            account.energy_joules, account.energy_known,
        ]  # fmt: skip
        self._add_gpu(gpu, values, part)
        for holder, of_holder in account.holders.items():
            self._add_share(gpu, holder, of_holder, part)

    def _part(self, gpu: int, start: float, end: float) -> float:
        """How much of what was recorded from `start` to `end`, within a slice, lies in the span: 0 to 1."""
        life = self._lives.get(gpu)
        existing = life.within(start, end) if life else 0.0
        return life.within(max(start, self._start), min(end, self._end)) / existing if life and existing else 0.0

    def _add_gpu(self, gpu: int, values: list[float], part: float) -> None:
        sums = self.gpus.setdefault(gpu, [0.0] * len(_OF_GPU))
        self.gpus[gpu] = [total + value * part for total, value in zip(sums, values, strict=True)]

    def _add_share(self, gpu: int, holder: Holder, account: HolderAccount, part: float) -> None:
        if part:
            self.shares.setdefault((gpu, holder), HolderAccount()).add(account.times(part))


def _gpu_seconds(values: list[float]) -> list[float]:
    *states, joules, energy_ms = map(float, values)
    return [*[ms / 1000 for ms in states], joules, energy_ms / 1000]


def _holder_account(values: list[float]) -> HolderAccount:
    """The columns of UsageShare are in the order of the account's fields."""
    *times, sm_percent_seconds, mib_seconds, joules = map(float, values)
    return HolderAccount(*[*[ms / 1000 for ms in times], sm_percent_seconds, mib_seconds * _MIB, joules])
