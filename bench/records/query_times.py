"""CPU time of queries of a stored history, in turns with the least the same rows take: SQLite reads them, zlib inflates them.

In its own process, as fresh as a server's: `python -m bench.records.query_times`, where stored_history has filled the database.
"""

from __future__ import annotations

import json
import sqlite3
import time
import zlib
from collections.abc import Callable
from contextlib import closing
from statistics import median
from unittest import mock

from django.db import connections
from django.test.utils import CaptureQueriesContext

from bench.records.stored_history import NOW
from monitor.history import chunk_codec
from monitor.history.database import history_connection
from monitor.history.queries import history

_ROUNDS = 9
_POINTS = 600
_DAY = 86_400
PAGE = (
    "utilization_percent",
    "memory_used_bytes",
    "temperature_celsius",
    "power_watts",
    "sm_clock_mhz",
    "pcie_rx_bytes_per_second",
    "pcie_tx_bytes_per_second",
)
"""What a GPU's page draws."""


Planes = list[tuple[bytes, int]]
"""Deflated planes with their lengths."""


def times(now: int) -> dict[str, dict[str, float]]:
    """By query: the medians of its ratio to the floor and of both in milliseconds, and how many rows it reads."""
    gpus = [f"GPU-{number}" for number in range(8)]
    return {
        "week": measured(gpus[:1], PAGE, now - 7 * _DAY, now),
        "day": measured(gpus, PAGE[:1], now - _DAY, now),
        "day of all": measured(gpus, PAGE, now - _DAY, now),
    }


def measured(keys: list[str], metrics: tuple[str, ...], start: int, end: int) -> dict[str, float]:
    """Of one query."""

    def ours() -> None:
        for key in keys:
            if not any(answer.time for answer in history(key, metrics, start, end, _POINTS)):
                raise AssertionError("the query found nothing")

    with CaptureQueriesContext(history_connection()) as captured:
        ours()
    statements = [each["sql"] for each in captured.captured_queries if "historychunk" in each["sql"]]
    with closing(sqlite3.connect(connections["history"].settings_dict["NAME"])) as database:
        chunks = [bytes(row[4]) for statement in statements for row in database.execute(statement)]
        planes = _deflated(chunks)

        def floor() -> None:
            for statement in statements:
                database.execute(statement).fetchall()
            for plane, count in planes:
                zlib.decompress(plane, -zlib.MAX_WBITS, count)

        rounds = [(_cpu(ours), _cpu(floor)) for _round in range(_ROUNDS)]
    return {
        "ratio": median(query / least for query, least in rounds),
        "ms": 1e3 * median(query for query, _least in rounds),
        "floor_ms": 1e3 * median(least for _query, least in rounds),
        "rows": len(chunks),
    }


def _deflated(chunks: list[bytes]) -> Planes:
    """All that zlib inflates when these chunks are unpacked whole."""
    found: Planes = []
    inflate = zlib.decompress

    def noted(plane: bytes, bits: int, count: int) -> bytes:
        found.append((plane, count))
        return inflate(plane, bits, count)

    with mock.patch.object(zlib, "decompress", noted):
        for chunk in chunks:
            chunk_codec.unpack(chunk)
    return found


def _cpu(side: Callable[[], None]) -> float:
    began = time.process_time()
    side()
    return time.process_time() - began


if __name__ == "__main__":
    print(json.dumps(times(NOW)), flush=True)
