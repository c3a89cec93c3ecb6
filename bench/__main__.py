"""`python -m bench [NAME…]`: print the figures, each with its bound. Exit status 1 if one could not be measured."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Iterable

from playwright.sync_api import Error as BrowserError

from bench.figures import CouldNotMeasure, Figure
from bench.machine import machine
from bench.measures import (
    alerts,
    delay,
    delivery,
    delta,
    fast_tick,
    first_load,
    first_response,
    heap,
    idle,
    load,
    main_thread,
    many_gpus,
    memory,
    scrape,
    scrolling,
    start,
    whole_tick,
)
from bench.measures.fleet import faults, hosts_page, hub, ingest, processes, restart
from bench.measures.records import history_query, history_size, history_writes, recording, written
from bench.measures.usage import query as usage_query


def main() -> int:
    """Measure one figure after another. The machine should be idle otherwise."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    measures: dict[str, Callable[[], Iterable[Figure]]] = {
        "fast-tick": fast_tick.measure,
        "whole-tick": whole_tick.measure,
        "history-writes": history_writes.measure,
        "written": lambda: written.measure(options.minutes or 10.0),
        "recording": lambda: recording.measure(options.minutes or 4.0),
        "history-size": history_size.measure,
        "history-query": history_query.measure,
        "idle": idle.measure,
        "delivery": delivery.measure,
        "delay": delay.measure,
        "ingest": ingest.measure,
        "fleet": lambda: hub.measure(options.minutes or 1.0),
        "fleet-faults": faults.measure,
        "fleet-restart": restart.measure,
        "fleet-processes": lambda: processes.measure(options.minutes or 1.0),
        "load": load.measure,
        "start": start.measure,
        "memory": lambda: memory.measure(options.minutes or 4.0),
        "delta": delta.measure,
        "first-response": first_response.measure,
        "first-load": first_load.measure,
        "main-thread": main_thread.measure,
        "many-gpus": many_gpus.measure,
        "hosts": hosts_page.measure,
        "scrape": scrape.measure,
        "scrolling": scrolling.measure,
        "alerts": alerts.measure,
        "usage-query": usage_query.measure,
        "heap": lambda: heap.measure(options.minutes or 1.5),
    }
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(measures)} (default: all)")
    parser.add_argument(
        "--minutes",
        type=float,
        help="how long to watch written, recording, memory, heap and fleet… (default: 10, 4, 4, 1.5 and 1)",
    )
    options = parser.parse_args()
    if unknown := set(options.names) - measures.keys():
        parser.error(f"no such figure: {', '.join(sorted(unknown))}; choose from {', '.join(measures)}")
    has_failed = False
    for name in options.names or measures:
        try:
            for figure in measures[name]():
                print(figure.line(name), flush=True)
        except (CouldNotMeasure, BrowserError, AssertionError, OSError, subprocess.SubprocessError) as error:
            has_failed = True
            print(f"{name}: could not be measured: {error}", file=sys.stderr, flush=True)
    print(f"\nMeasured on {machine()}")
    return int(has_failed)


if __name__ == "__main__":
    sys.exit(main())
