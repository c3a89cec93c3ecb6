"""The CPU time of a month of usage with 50 users, in a ledger of three years, against SQLite reading the same rows."""

from __future__ import annotations

from collections.abc import Iterator

from bench.child import child
from bench.figures import Figure
from bench.serving import data_folder

_BOUND = 4


def measure() -> Iterator[Figure]:
    with (
        data_folder() as folder,
        child("bench.measures.usage.stored", environment={"GPU_MONITOR_DATA_DIR": str(folder)}) as stored,
    ):
        found = stored.ask("times")
    measured = f"a month of usage by {found['users']} users: CPU / of SQLite for the same {found['rows']} rows"
    yield Figure(found["ratio"], "x", _BOUND, measured)
    yield Figure(found["ms"], " ms", None, f"that report; the floor takes {found['floor_ms']:.1f} ms")
    yield Figure(found["mib"], " MiB", None, "three years of 8 GPUs that are always in use")
