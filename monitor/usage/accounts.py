"""What the ledger keeps open in memory, and in the journal: each GPU's current slice, minute, span and processes."""

from __future__ import annotations

import zlib
from typing import Literal

import msgspec

from monitor.unreadable import UNREADABLE
from monitor.usage.holders import Holder

State = Literal["busy", "held", "free", "unknown", "lost"]
JOURNAL_VERSION = 1
"""A journal of another version is not continued: what was open is lost, what was closed is not."""
_LARGEST_BYTES = 16 << 20


class BadJournal(ValueError):
    """The journal is damaged or from another version."""


class HolderAccount(msgspec.Struct):
    """One holder's part of one GPU in one slice, in seconds; models.UsageShare says what each means."""

    share: float = 0.0
    user: float = 0.0
    container: float = 0.0
    program: float = 0.0
    command: float = 0.0
    job: float = 0.0
    held: float = 0.0
    zero: float = 0.0
    sm_known: float = 0.0
    sm_percent_seconds: float = 0.0
    memory_byte_seconds: float = 0.0
    energy_joules: float = 0.0

    def add(self, other: HolderAccount) -> None:
        """Take over another account of the same slice."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def times(self, factor: float) -> HolderAccount:
        """This part of it."""
        return HolderAccount(*[getattr(self, name) * factor for name in self.__struct_fields__])


class GpuAccount(msgspec.Struct):
    """One GPU in one slice, in seconds; models.UsageSlice says what each means."""

    start: int
    busy: float = 0.0
    held: float = 0.0
    nobody: float = 0.0
    free: float = 0.0
    lost: float = 0.0
    unread: float = 0.0
    energy_joules: float = 0.0
    energy_known: float = 0.0
    is_recorded_elsewhere: bool = False
    """The slice was recorded before the clock was set back: it is not counted again."""
    holders: dict[Holder, HolderAccount] = {}

    @property
    def known(self) -> float:
        """How much of the slice is accounted for."""
        return self.busy + self.held + self.free + self.lost + self.unread

    def add(self, other: GpuAccount) -> None:
        """Take over other time of the same slice."""
        for name in ("busy", "held", "nobody", "free", "lost", "unread", "energy_joules", "energy_known"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for holder, account in other.holders.items():
            self.holders.setdefault(holder, HolderAccount()).add(account)


class Span(msgspec.Struct):
    """A span of whole minutes in one state, for the ribbon."""

    start: int
    end: int
    state: State
    user: str


class OpenProcess(msgspec.Struct):
    """A process seen on a GPU; models.UsageProcess says what each means."""

    pid: int
    holder: Holder
    command_line: str
    started_at: float | None
    first_at: float
    last_at: float
    container_id: str = ""
    pod: str = ""
    seconds: float = 0.0
    memory_byte_seconds: float = 0.0
    memory_seconds: float = 0.0
    memory_peak_bytes: int | None = None
    sm_percent_seconds: float = 0.0
    sm_seconds: float = 0.0
    zero_seconds: float = 0.0
    is_from_accounting: bool = False

    @property
    def memory_mean_bytes(self) -> int | None:
        """None: never known."""
        return round(self.memory_byte_seconds / self.memory_seconds) if self.memory_seconds else None

    @property
    def sm_percent(self) -> float | None:
        """Mean SM time, 0 to 100; None: never known."""
        return self.sm_percent_seconds / self.sm_seconds if self.sm_seconds else None

    def add(self, other: OpenProcess) -> None:
        """Take over other time of the same process."""
        self.first_at, self.last_at = min(self.first_at, other.first_at), max(self.last_at, other.last_at)
        for name in (
            "seconds",
            "memory_byte_seconds",
            "memory_seconds",
            "sm_percent_seconds",
            "sm_seconds",
            "zero_seconds",
        ):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        peaks = [each for each in (self.memory_peak_bytes, other.memory_peak_bytes) if each is not None]
        self.memory_peak_bytes = max(peaks, default=None)


class OpenGpu(msgspec.Struct):
    """Everything open about one GPU."""

    uuid: str
    index: int
    name: str
    host: str
    since: float
    """Start of its period."""
    account: GpuAccount
    recorded_until: float = 0.0
    """Until when it is recorded beyond the journal's `until`, since the clock was set back."""
    energy_counter: float | None = None
    """At the last reading, in joules."""
    minute: int = 0
    """Start of the minute that `tally` counts."""
    tally: dict[tuple[State, str], float] = {}
    """Seconds of the current minute by state and user."""
    span: Span | None = None
    processes: dict[tuple[int, int], OpenProcess] = {}
    """By PID and MIG instance (-1 without)."""
    accounted: set[int] = set()
    """PIDs of the last reading's `ended_processes`: each is recorded once."""


class Journal(msgspec.Struct):
    """All that is open."""

    until: float
    """Time of the last reading, or of the last snapshot without one: up to here all is accounted for."""
    recorded_until: float
    """The latest `until` there ever was. It is later than `until` after the clock was set back."""
    gpus: dict[str, OpenGpu] = {}
    """By UUID."""
    missed: list[tuple[float, float]] = []
    """See late/missed.py."""
    version: int = JOURNAL_VERSION


class ClosedProcess(msgspec.Struct, frozen=True):
    """A process that has ended, for the database."""

    uuid: str
    process: OpenProcess


class ClosedSpan(msgspec.Struct, frozen=True):
    """A span that is over, for the database."""

    uuid: str
    span: Span


class ClosedSlice(msgspec.Struct, frozen=True):
    """A slice that is over, for the database."""

    uuid: str
    account: GpuAccount


class AddedSlice(msgspec.Struct, frozen=True):
    """Time that readings have shown late, to add to a slice in the database if it is there."""

    uuid: str
    account: GpuAccount


class AddedProcess(msgspec.Struct, frozen=True):
    """A process that late readings have shown, to add to the one in the database if it is there."""

    uuid: str
    process: OpenProcess


class Period(msgspec.Struct, frozen=True):
    """The host has a GPU from `start`; with an `end`, it had."""

    uuid: str
    start: float
    end: float | None


Closed = ClosedProcess | ClosedSpan | ClosedSlice | AddedProcess | AddedSlice | Period

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Journal)


def pack(journal: Journal) -> bytes:
    """For the database."""
    return zlib.compress(_encoder.encode(journal), 6)


def unpack(data: bytes) -> Journal:
    """From the database. Raises BadJournal."""
    inflater = zlib.decompressobj()
    try:
        journal = _decoder.decode(inflater.decompress(data, _LARGEST_BYTES))
    except (zlib.error, *UNREADABLE) as error:
        raise BadJournal(str(error)) from error
    if journal.version != JOURNAL_VERSION:
        raise BadJournal(f"its version is {journal.version}")
    return journal
