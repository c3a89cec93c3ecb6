"""An alert rule as it is evaluated: immutable, complete and validated. `rules.validation.make` builds it."""

from __future__ import annotations

from fnmatch import fnmatchcase

import msgspec

from monitor.rules.choices import Comparator, Mig
from monitor.rules.host_selection import selects
from monitor.telemetry.schema import Gpu, Severity


class Which(msgspec.Struct, frozen=True, kw_only=True):
    """Which GPUs a rule applies to: those that match every field given."""

    uuids: frozenset[str] = frozenset()
    indexes: frozenset[int] = frozenset()
    name_pattern: str = ""
    """With * and ? as in file names, case-insensitive: *A100*."""
    hosts: str = msgspec.field(default="", name="host_pattern")
    """Names with * and ?, and tags (tag:lab), separated by commas; empty: all. Stored under the name that it had before."""
    mig: Mig = "any"

    def fits_host(self, host: str, tags: tuple[str, ...] = ()) -> bool:
        """Whether the rule applies to this host at all."""
        return not self.hosts or selects(self.hosts, host, tags)

    def fits(self, gpu: Gpu) -> bool:
        """Whether the rule applies to this GPU of a matching host."""
        return (
            (not self.uuids or gpu.uuid in self.uuids)
            and (not self.indexes or gpu.index in self.indexes)
            and (not self.name_pattern or fnmatchcase(gpu.name.lower(), self.name_pattern.lower()))
            and (self.mig == "any" or (gpu.mig_mode is True) == (self.mig == "only"))
        )


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule."""

    id: int
    name: str
    kind: str
    """A name of `rules.kinds.registry`; a rule that another version stored can have one that is unknown here."""
    severity: Severity = "warning"
    metric: str = ""
    comparator: Comparator = ">="
    threshold: float = 0.0
    """In the metric's unit; with `relative_to` the offset from that limit."""
    clear_threshold: float | None = None
    """The alert resolves only beyond this value; None: as soon as the threshold is no longer passed."""
    relative_to: str = ""
    """A limit of the GPU itself, by its name in the schema."""
    throttle: str = ""
    ignored_xids: frozenset[int] = frozenset()
    held_memory_bytes: float = 0.0
    idle_percent: float = 0.0
    """The highest utilization that counts as idle, as on the GPU cards."""
    for_seconds: float = 0.0
    clear_for_seconds: float = 0.0
    which: Which = Which()

    @property
    def clears_at(self) -> float:
        """The threshold on the way back."""
        return self.threshold if self.clear_threshold is None else self.clear_threshold
