"""The stage behind /metrics: keeps the newest snapshot, and makes bytes of it only when somebody scrapes."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as OPENMETRICS_1_0_0
from prometheus_client.registry import Collector

from monitor.prometheus.vocabularies import PROCESS_VOCABULARIES, VOCABULARIES
from monitor.telemetry import redaction
from monitor.telemetry.freshness import as_of_now
from monitor.telemetry.schema import Snapshot

_OPENMETRICS = "application/openmetrics-text"


class Body(NamedTuple):
    """What a scraper receives."""

    content_type: str
    plain: bytes
    gzipped: bytes


class _Wanted(NamedTuple):
    names: Sequence[str]
    is_openmetrics: bool
    has_details: bool
    most_processes: int


class _Taken(NamedTuple):
    snapshot: Snapshot
    at: float
    """By the monotonic clock."""
    bodies: dict[_Wanted, Body]
    """What was made of it."""


class MetricsStage:
    """A stage. Any thread may ask for a body: of several scrapers at once, the first one makes it for all."""

    name = "metrics"
    problem: str | None = None

    def __init__(
        self, program: Callable[[], Iterable[Metric]] = tuple, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """`program`: the metrics of gpumon itself, a part of the vocabulary `own`."""
        self._program = program
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._taken: _Taken | None = None

    def start(self) -> None:
        """Nothing to do: bodies are made by those who ask for one."""

    def take(self, snapshot: Snapshot) -> None:
        """Replace the newest snapshot, and drop what was made of the previous one."""
        self._taken = _Taken(snapshot, self._monotonic(), {})

    def stop(self) -> None:
        """Nothing to save."""

    def body(self, names: Sequence[str], accept: str, *, has_details: bool, most_processes: int = 0) -> Body:
        """The newest snapshot in these vocabularies; before the first, only what is known of gpumon itself.

        `names`: of VOCABULARIES. `accept`: the request's header; OpenMetrics if it names that, else the text format.
        `has_details`: whether the scraper may see who runs what. Without it, no processes are shown, of which there are at most
        `most_processes` for each GPU.
        """
        wanted = _Wanted(tuple(names), _OPENMETRICS in accept, has_details, most_processes if has_details else 0)
        with self._lock:
            if (taken := self._taken) is None:
                return self._made(None, wanted)
            snapshot = as_of_now(taken.snapshot, self._monotonic() - taken.at)
            if snapshot is not taken.snapshot:
                # Nothing follows: the age grows with each scrape, and the host's metrics are as old as the GPUs'.
                return self._made(msgspec.structs.replace(snapshot, system=None), wanted)
            if wanted not in taken.bodies:
                taken.bodies[wanted] = self._made(snapshot, wanted)
            return taken.bodies[wanted]

    def body_of(
        self,
        snapshot: Snapshot,
        names: Sequence[str],
        accept: str,
        *,
        is_silent: bool,
        has_details: bool,
        most_processes: int = 0,
    ) -> Body:
        """A snapshot of another host, which is made for each scrape. The rest as in `body`; nothing about gpumon itself.

        `is_silent`: nothing has followed for too long, so its system metrics are too old as well.
        """
        shown = msgspec.structs.replace(snapshot, system=None) if is_silent else snapshot
        wanted = _Wanted(tuple(names), _OPENMETRICS in accept, has_details, most_processes if has_details else 0)
        return self._made(shown, wanted, has_program=False)

    def _made(self, snapshot: Snapshot | None, wanted: _Wanted, *, has_program: bool = True) -> Body:
        encode, _ = choose_encoder(
            f"{_OPENMETRICS};version=1.0.0;escaping=allow-utf-8" if wanted.is_openmetrics else ""
        )
        plain = encode(_Families(self._families(snapshot, wanted, has_program=has_program)))
        content_type = OPENMETRICS_1_0_0 if wanted.is_openmetrics else CONTENT_TYPE_PLAIN_0_0_4
        return Body(content_type, plain, gzip.compress(plain, compresslevel=1, mtime=0))

    def _families(self, snapshot: Snapshot | None, wanted: _Wanted, *, has_program: bool) -> Iterator[Metric]:
        if snapshot is not None:
            seen = redaction.as_seen(snapshot, has_details=wanted.has_details, has_commands=True)
            for name in wanted.names:
                yield from VOCABULARIES[name](seen)
                if wanted.most_processes and name in PROCESS_VOCABULARIES:
                    yield from PROCESS_VOCABULARIES[name](seen, wanted.most_processes)
        if has_program and "own" in wanted.names:
            yield from self._program()


class _Families(Collector):
    """What the encoders take for a registry."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families
