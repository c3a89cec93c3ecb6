"""Usage of a span by user, container, program, command, job, GPU or host. Shares + nobody + free + unknown = GPUs × time.

These functions read the database: not in an event loop.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

import msgspec

from monitor.config.model import Config
from monitor.models.usage import UsageGpu, UsageUser
from monitor.usage.accounts import HolderAccount
from monitor.usage.records import GpuSums, Span, read_span
from monitor.usage.store import OWN

By = Literal["user", "container", "program", "command", "job", "gpu", "host"]
GROUPINGS: tuple[By, ...] = ("user", "container", "program", "command", "job", "gpu", "host")
_OF_MACHINES = ("gpu", "host")


def groupings_for(*, has_details: bool, has_commands: bool) -> tuple[By, ...]:
    """What a viewer may see usage by. A command is a part of a command line: its program and script."""
    if not has_details:
        return ("gpu", "host")
    return tuple(by for by in GROUPINGS if has_commands or by != "command")


_JOULES_PER_KWH = 3_600_000.0
_GIB = float(1 << 30)


class Prices(msgspec.Struct, frozen=True, kw_only=True):
    """What a GPU-hour and a kilowatt-hour cost, by the settings; None where not set."""

    per_kwh: float | None = None
    per_gpu_hour: float | None = None
    currency: str = ""
    co2_grams_per_kwh: float | None = None

    def cost(self, share_seconds: float, joules: float) -> float | None:
        """Of this much use; None if no price is set."""
        if self.per_kwh is None and self.per_gpu_hour is None:
            return None
        return (self.per_gpu_hour or 0.0) * share_seconds / 3600 + (self.per_kwh or 0.0) * joules / _JOULES_PER_KWH

    def co2_grams(self, joules: float) -> float | None:
        """Of this much energy."""
        return None if self.co2_grams_per_kwh is None else self.co2_grams_per_kwh * joules / _JOULES_PER_KWH


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """What someone, or all together, had of the GPUs."""

    occupied_seconds: float
    """Each holder in full: two users at once on one GPU for an hour have occupied it an hour each."""
    share_seconds: float
    """Divided among the holders: those two have half an hour each."""
    gib_seconds: float
    """GPU memory held × time."""
    mean_sm_percent: float | None
    """Mean SM time while it was occupied, 0 to 100; None if unknown."""
    zero_seconds: float
    """Of the share: at 0 % SM time."""
    idle_held_seconds: float
    """Of the share: while the GPU was idle-held."""
    energy_joules: float
    """The GPUs' energy, divided by SM time (by share where nobody worked). At least this: energy is unknown without readings."""
    cost: float | None
    co2_grams: float | None
    coverage: float | None
    """Part of the time for which readings show the use of the GPUs that it held (in all: of all GPUs), 0 to 1."""


class Row(Use, frozen=True, kw_only=True):
    """One user, container, program, command, job, GPU or host."""

    key: str
    """The name, or the GPU's UUID. Empty: unknown user, outside containers, no job."""
    label: str
    """To show: `key`, or what it stands for if it is empty; `GPU 3` for a GPU, with the host's name where there are several."""
    hue: int
    """A user's colour, 1 to 8; 0: one of the others, or not a user."""
    gpu_count: int
    """On how many GPUs."""
    gpu_index: int | None = None
    host: str | None = None
    """Name of the host, of a GPU or a host."""
    host_id: str | None = None
    """Its ID; null for this server's own host."""
    host_count: int = 1
    """On GPUs of how many hosts."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Usage of a span. users_seconds + nobody_seconds + free_seconds + unknown_seconds = gpu_seconds."""

    by: By
    start: float
    end: float
    """As asked, but not later than the records."""
    recorded_from: float | None
    """Since when there are records; None: there are none."""
    hosts: tuple[str, ...]
    """Names of the hosts, this server's own first."""
    gpu_count: int
    """GPUs that the hosts had at any time of the span."""
    gpu_seconds: float
    """GPUs × time, for each GPU the time that its host had it."""
    users_seconds: float
    nobody_seconds: float
    """In use (by work or memory), but no process visible."""
    free_seconds: float
    unknown_seconds: float
    lost_seconds: float
    """Of unknown: the GPU was lost."""
    unread_seconds: float
    """Of unknown: the server ran, but had no reading that shows the use."""
    not_recorded_seconds: float
    """Of unknown: the rest; the server did not run, or the host had no connection to it."""
    energy_joules: float
    """Of all GPUs, also while they were free."""
    cost: float | None
    """Of that energy and the users' shares."""
    co2_grams: float | None
    prices: Prices
    total: Use
    """All rows together."""
    rows: tuple[Row, ...]
    """The largest share first."""


def prices_of(config: Config) -> Prices:
    """The prices of the settings."""
    return Prices(
        per_kwh=config.cost_per_kwh,
        per_gpu_hour=config.cost_per_gpu_hour,
        currency=config.currency,
        co2_grams_per_kwh=config.co2_grams_per_kwh,
    )


def user_hues() -> dict[str, int]:
    """Each known user's colour, 1 to 8; 0: one of the others."""
    return dict(UsageUser.objects.values_list("name", "hue"))


def usage(
    start: float,
    end: float,
    by: By,
    *,
    prices: Prices | None = None,
    host_id: str | None = None,
    now: float | None = None,
) -> Report:
    """Usage in the span from `start` to `end` (Unix seconds), of a host or of all. `now`: to test."""
    span = read_span(start, end, time.time() if now is None else now, host_id)
    prices = prices or Prices()
    groups: dict[_Key, _Group] = {}
    if by in _OF_MACHINES:
        for id_, of in span.gpus.items():
            groups.setdefault(_machine_key(of, by), _Group()).gpus.add(id_)
    for (gpu, holder), account in span.shares.items():
        if gpu in span.gpus:
            key = _machine_key(span.gpus[gpu], by) if by in _OF_MACHINES else ("", getattr(holder, by))
            groups.setdefault(key, _Group()).add(gpu, account)
    everything = _Group(set(span.gpus))
    for group in groups.values():
        everything.account.add(group.account)
    return _report(span, by, prices, _rows(groups, by, span, prices), everything)


def usage_of(user: str, start: float, end: float, *, prices: Prices | None = None) -> tuple[Row, list[Row]]:
    """What one user had in a span: in all, and by command with the largest share first."""
    span = read_span(start, end, time.time())
    total, commands = _Group(), dict[str, _Group]()
    for (gpu, holder), account in span.shares.items():
        if gpu in span.gpus and holder.user == user:
            total.add(gpu, account)
            commands.setdefault(holder.command, _Group()).add(gpu, account)
    (of_user,) = _rows({("", user): total}, "user", span, prices or Prices())
    by_command = {("", command): group for command, group in commands.items()}
    return of_user, _rows(by_command, "command", span, prices or Prices())


def users_by_gpu(
    start: float, end: float, *, host_id: str = OWN, now: float | None = None
) -> dict[str, tuple[str, ...]]:
    """The known users of each GPU of a host in a span, by its UUID, the largest share first. `now`: to test."""
    span = read_span(start, end, time.time() if now is None else now, host_id)
    shares: dict[str, dict[str, float]] = {}
    for (gpu, holder), account in span.shares.items():
        if gpu in span.gpus and holder.user:
            users = shares.setdefault(span.gpus[gpu].uuid, {})
            users[holder.user] = users.get(holder.user, 0.0) + account.share
    return {uuid: tuple(sorted(users, key=lambda user: (-users[user], user))) for uuid, users in shares.items()}


_Key = tuple[str, str]
"""Host id (of a GPU or a host) and name or UUID: two hosts can have the same name, and GPUs of two hosts the same UUID."""


def _machine_key(gpu: UsageGpu, by: By) -> _Key:
    return gpu.host_id, gpu.uuid if by == "gpu" else gpu.host


class _Group:
    """The accounts of one row."""

    def __init__(self, gpus: set[int] | None = None) -> None:
        self.gpus = gpus or set()
        self.account = HolderAccount()

    def add(self, gpu: int, account: HolderAccount) -> None:
        self.gpus.add(gpu)
        self.account.add(account)


_OCCUPIED: dict[By, Callable[[HolderAccount], float]] = {
    "user": lambda account: account.user,
    "container": lambda account: account.container,
    "program": lambda account: account.program,
    "command": lambda account: account.command,
    "job": lambda account: account.job,
    "gpu": lambda account: account.share,
    "host": lambda account: account.share,
}
_UNNAMED: dict[By, str] = {
    "user": "unknown user",
    "container": "outside containers",
    "program": "unknown program",
    "command": "unknown command",
    "job": "no job",
    "gpu": "",
    "host": "unnamed host",
}


def _rows(groups: dict[_Key, _Group], by: By, span: Span, prices: Prices) -> list[Row]:
    hues = user_hues() if by == "user" else {}
    names_host = len({gpu.host_id for gpu in span.gpus.values()}) > 1
    rows = [
        _row(key, group, by, span, prices, hues, names_host=names_host) for (_host_id, key), group in groups.items()
    ]
    return sorted(rows, key=lambda row: (-row.share_seconds, -row.occupied_seconds, row.label))


def _row(key: str, group: _Group, by: By, span: Span, prices: Prices, hues: dict[str, int], *, names_host: bool) -> Row:
    gpus = [span.gpus[id_] for id_ in group.gpus]
    gpu = gpus[0] if by == "gpu" else None
    return Row(
        key=key,
        label=(_gpu_label(gpu, names_host=names_host) if gpu else key) or _UNNAMED[by],
        hue=hues.get(key, 0),
        gpu_count=len(gpus),
        gpu_index=gpu.index if gpu else None,
        host=gpus[0].host if by in _OF_MACHINES else None,
        host_id=gpus[0].host_id or None if by in _OF_MACHINES else None,
        host_count=len({each.host_id for each in gpus}),
        **msgspec.structs.asdict(_use(group, by, span, prices)),
    )


def _gpu_label(gpu: UsageGpu, *, names_host: bool) -> str:
    return f"{gpu.host} · GPU {gpu.index}" if names_host else f"GPU {gpu.index}"


def _use(group: _Group, by: By, span: Span, prices: Prices) -> Use:
    account, sums = group.account, [span.sums[gpu] for gpu in group.gpus]
    occupied = _OCCUPIED[by](account)
    # Known for the users' time; of the dimension's, the same part.
    sm_known = occupied * account.sm_known / account.user if account.user else 0.0
    existing = sum(each.existing for each in sums)
    return Use(
        occupied_seconds=occupied,
        share_seconds=account.share,
        gib_seconds=account.memory_byte_seconds / _GIB,
        mean_sm_percent=min(100.0, account.sm_percent_seconds / sm_known) if sm_known else None,
        zero_seconds=account.zero,
        idle_held_seconds=account.held,
        energy_joules=account.energy_joules,
        cost=prices.cost(account.share, account.energy_joules),
        co2_grams=prices.co2_grams(account.energy_joules),
        coverage=sum(each.read for each in sums) / existing if existing else None,
    )


def _hosts(span: Span) -> tuple[str, ...]:
    named = {gpu.host_id: gpu.host for gpu in span.gpus.values()}
    return tuple([name for _host_id, name in sorted(named.items(), key=lambda each: (each[0] != OWN, each[1]))])


def _report(span: Span, by: By, prices: Prices, rows: list[Row], everything: _Group) -> Report:
    def summed(of: Callable[[GpuSums], float]) -> float:
        return sum(map(of, span.sums.values()))

    gpu_seconds, nobody, free = summed(lambda s: s.existing), summed(lambda s: s.nobody), summed(lambda s: s.free)
    lost, unread = summed(lambda s: s.lost), summed(lambda s: s.unread)
    unknown, joules = summed(lambda s: s.unknown), summed(lambda s: s.energy_joules)
    return Report(
        by=by,
        start=span.start,
        end=span.end,
        recorded_from=span.recorded_from,
        hosts=_hosts(span),
        gpu_count=len(span.gpus),
        gpu_seconds=gpu_seconds,
        users_seconds=everything.account.share,
        nobody_seconds=nobody,
        free_seconds=free,
        unknown_seconds=unknown,
        lost_seconds=lost,
        unread_seconds=unread,
        not_recorded_seconds=max(0.0, unknown - lost - unread),
        energy_joules=joules,
        cost=prices.cost(everything.account.share, joules),
        co2_grams=prices.co2_grams(joules),
        prices=prices,
        total=_use(everything, by, span, prices),
        rows=tuple(rows),
    )
