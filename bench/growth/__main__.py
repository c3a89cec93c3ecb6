"""`python -m bench.growth [NAME…]`: print how costs grow, in one table, and where one grows faster than its size.

With `--write`, replace the table of docs/benchmarks.md. It takes about ten minutes; the machine should be idle otherwise.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator

from bench.child import child
from bench.growth import of_host, of_server
from bench.growth.row import CLIFF, Row
from bench.report.tables import head, measured_on, write
from bench.serving import data_folder


def with_history() -> Iterator[Row]:
    """Hours of history that a GPU's page asks for."""
    with data_folder() as folder:
        environment = {"GPU_MONITOR_DATA_DIR": str(folder)}
        with child("bench.growth.of_history", environment=environment) as queries:
            yield Row("hours of history", "CPU of a page's query of a GPU, ms", dict(queries.answer()))


_MEASURES: dict[str, Callable[[], Iterable[Row]]] = {
    "gpus": of_host.with_gpus,
    "processes": of_host.with_processes,
    "clients": of_server.with_clients,
    "hosts": of_server.with_hosts,
    "history": with_history,
}


def main() -> int:
    """Measure one growth after another. Exit status 1 if one could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(_MEASURES)} (default: all)")
    parser.add_argument("--write", action="store_true", help="replace the table of docs/benchmarks.md")
    options = parser.parse_args()
    if unknown := set(options.names) - _MEASURES.keys():
        parser.error(f"no such growth: {', '.join(sorted(unknown))}; choose from {', '.join(_MEASURES)}")
    lines = []
    for line in _report(options.names or list(_MEASURES)):
        print(line, flush=True)
        lines.append(line)
    if options.write:
        write("growth", lines)
    return 0


def _report(names: list[str]) -> Iterator[str]:
    yield measured_on()
    yield ""
    yield from head("what grows", "cost", "at each size", "exponents", texts=4)
    cliffs: list[str] = []
    for name in names:
        for each in _MEASURES[name]():
            yield each.line()
            cliffs += each.cliffs
    yield ""
    yield f"Exponents above {CLIFF}: {'; '.join(cliffs) or 'none'}."


if __name__ == "__main__":
    sys.exit(main())
