"""The CPU time of queries on a database of three years, against SQLite reading the same rows and zlib inflating them."""

from __future__ import annotations

from collections.abc import Iterator

from bench.child import child
from bench.figures import Figure
from bench.serving import data_folder

_QUERIES = {
    "week": ("7 days of a GPU, the 7 metrics of its page", 4),
    "day": ("24 h of 8 GPUs, one metric, as on /history", 4),
    "day of all": ("24 h of 8 GPUs, 7 metrics, which no page reads", None),
}


def measure() -> Iterator[Figure]:
    with data_folder() as folder:
        environment = {"GPU_MONITOR_DATA_DIR": str(folder)}
        with child("bench.records.stored_history", environment=environment) as stored:
            stored.answer()
        with child("bench.records.query_times", environment=environment) as queries:
            times = queries.answer()
    for query, (words, bound) in _QUERIES.items():
        each = times[query]
        measured = f"CPU of {words} / of SQLite and zlib for the same {each['rows']} rows, all metrics"
        yield Figure(each["ratio"], "x", bound, measured)
        yield Figure(each["ms"], " ms", None, f"that query; SQLite and zlib take {each['floor_ms']:.1f} ms")
