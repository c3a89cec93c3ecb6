"""The process table as the address asks for it, without any script."""

from __future__ import annotations

from django.http import QueryDict

from monitor.telemetry.schema import Gpu
from monitor.web.components.live_pieces import LivePieces
from monitor.web.components.process_table import ProcessTable, Row, Sorting, arranged
from tests.support.snapshots import GIB, gpu, process


def rows(*gpus: Gpu) -> list[Row]:
    live = LivePieces()
    return [Row(f"p{place}-{p.pid}-", each, p, live) for place, each in enumerate(gpus) for p in each.processes or ()]


def pids(address: str, *gpus: Gpu) -> list[int]:
    return [row.process.pid for row in arranged(rows(*gpus), Sorting.of(QueryDict(address)))]


BUSY = gpu(
    processes=(
        process(30, memory_used_bytes=3 * GIB, user="mira", command="torchrun train.py"),
        process(10, memory_used_bytes=None, user="jo", command="jupyter-lab"),
        process(20, memory_used_bytes=7 * GIB, user="Mira", command="python serve.py", container_id="abc" * 20),
    )
)


def test_without_a_sort_rows_come_as_the_driver_lists_them() -> None:
    assert pids("", BUSY) == [30, 10, 20]


def test_rows_are_sorted_both_ways_and_what_is_unknown_comes_last() -> None:
    assert pids("sort=memory", BUSY) == [30, 20, 10]
    assert pids("sort=memory&order=desc", BUSY) == [20, 30, 10]
    assert pids("sort=pid", BUSY) == [10, 20, 30]


def test_an_unknown_column_sorts_by_none() -> None:
    assert pids("sort=__class__", BUSY) == [30, 10, 20]


def test_every_word_of_the_filter_has_to_be_found_in_any_case() -> None:
    assert pids("filter=mira", BUSY) == [30, 20]
    assert pids("filter=MIRA+serve", BUSY) == [20]
    assert pids("filter=abcabc", BUSY) == [20]
    assert pids("filter=10", BUSY) == [10]
    assert pids("filter=nobody", BUSY) == []


def test_a_row_is_the_same_while_its_values_change_and_another_when_the_pid_is_used_again() -> None:
    before, after, reused = (
        rows(gpu(processes=(each,)))[0]
        for each in (process(1, started_at=5.0), process(1, started_at=5.0, memory_used_bytes=1), process(1, started_at=9.0))
    )  # fmt: skip
    assert before.mark == after.mark
    assert before.mark != reused.mark


def test_one_process_on_two_gpus_has_two_rows_with_names_of_their_own() -> None:
    live = LivePieces()
    ProcessTable([(0, gpu(0, processes=(process(1),))), (1, gpu(1, processes=(process(1),)))], live, Sorting())
    names = [value.name for value in live.values]
    assert len(names) == len(set(names))


def test_the_heading_counts_processes_gpus_and_users() -> None:
    live = LivePieces()
    gpus = [(0, BUSY), (1, gpu(1)), (2, gpu(2, processes=(process(40, user=None),)))]
    assert ProcessTable(gpus, live, Sorting()).count.text == "4 on 2 GPUs · 3 users"
    assert ProcessTable([(0, gpu())], live, Sorting()).count.text == "none"


def test_a_hidden_process_keeps_its_row_and_says_why() -> None:
    hidden = process(
        7, status="hidden", user=None, name=None, command=None, unavailable={"command": "start with `pid: host`"}
    )
    html = ProcessTable([(0, gpu(processes=(hidden,)))], LivePieces(), Sorting()).rows.draw()
    assert "hidden by PID namespace" in html
    assert "start with `pid: host`" in html


def test_markup_in_a_command_is_text() -> None:
    bad = process(7, command="<img src=x onerror=alert(1)>", user="<b>", container_id='"><script>')
    html = ProcessTable([(0, gpu(processes=(bad,)))], LivePieces(), Sorting()).rows.draw()
    assert "<img" not in html
    assert "<b>" not in html.replace('<b id="', "")
    assert "<script" not in html
