"""The process table as the address requests it, without a script."""

from __future__ import annotations

import pytest
from django.http import QueryDict
from django.template.loader import render_to_string
from django.test import RequestFactory
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.live.pieces import Value
from monitor.telemetry.schema import Gpu
from monitor.web.components.live_pieces import LivePieces
from monitor.web.components.process_filter import filter_for_user, matches, terms_of
from monitor.web.components.process_table import COLUMNS, ProcessTable, Row, Sorting, arranged, fact, reading
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


def test_rows_without_a_sort_keep_the_order_of_the_driver() -> None:
    assert pids("", BUSY) == [30, 10, 20]


def test_rows_are_sorted_both_ways_with_unknown_last() -> None:
    assert pids("sort=memory", BUSY) == [30, 20, 10]
    assert pids("sort=memory&order=desc", BUSY) == [20, 30, 10]
    assert pids("sort=pid", BUSY) == [10, 20, 30]


def test_unknown_column_does_not_sort() -> None:
    assert pids("sort=__class__", BUSY) == [30, 10, 20]


def test_rows_match_every_word_of_the_filter_in_any_case() -> None:
    assert pids("filter=mira", BUSY) == [30, 20]
    assert pids("filter=MIRA+serve", BUSY) == [20]
    assert pids("filter=abcabc", BUSY) == [20]
    assert pids("filter=10", BUSY) == [10]
    assert pids("filter=nobody", BUSY) == []


def test_filter_by_gpu_user_and_pid_is_exact() -> None:
    gpus = [gpu(index, processes=(process(100 + index, user="mira"),)) for index in (1, 3, 13)]
    split = gpu(
        4, processes=(process(40, mig_instance=0, user="mirabel"), process(41, mig_instance=1, user="Ana Maria"))
    )
    assert pids("filter=gpu:3", *gpus) == [103]
    assert pids("filter=GPU:4", *gpus, split) == [40, 41]
    assert pids("filter=gpu:4.1", *gpus, split) == [41]
    assert pids("filter=user:mira", *gpus, split) == [101, 103, 113]
    assert pids("filter=user:MIRA+gpu:13", *gpus, split) == [113]
    assert pids('filter=user:"ana+maria"', *gpus, split) == [41]
    assert pids("filter=pid:10", *gpus) == []
    assert pids("filter=user:", *gpus) == []
    assert pids("filter=host:3", *gpus) == []


def test_process_of_an_unknown_user_matches_no_user() -> None:
    assert pids("filter=user:none", gpu(processes=(process(1, user=None),))) == []


@given(st.text(max_size=20).filter(str.strip))
@settings(max_examples=50)
def test_link_to_a_user_shows_that_user(user: str) -> None:
    """Whatever the name is, except for a quotation mark in it."""
    user = user.replace('"', "").strip() or "x"
    terms = terms_of(filter_for_user(user))
    assert matches(terms, gpu(), process(1, user=user))
    assert not matches(terms, gpu(), process(2, user=f"{user}x"))


def test_row_is_the_same_while_its_values_change_and_another_when_the_pid_is_reused() -> None:
    before, after, reused = (
        rows(gpu(processes=(each,)))[0]
        for each in (process(1, started_at=5.0), process(1, started_at=5.0, memory_used_bytes=1), process(1, started_at=9.0))
    )  # fmt: skip
    assert before.mark == after.mark
    assert before.mark != reused.mark


def test_process_on_two_gpus_has_two_rows_with_different_names() -> None:
    live = LivePieces()
    ProcessTable([(0, gpu(0, processes=(process(1),))), (1, gpu(1, processes=(process(1),)))], live, Sorting())
    names = [value.name for value in live.values]
    assert len(names) == len(set(names))


def test_heading_counts_processes_gpus_and_users() -> None:
    live = LivePieces()
    gpus = [(0, BUSY), (1, gpu(1)), (2, gpu(2, processes=(process(40, user=None),)))]
    assert ProcessTable(gpus, live, Sorting()).count.text == "4 on 2 GPUs · 3 users"
    assert ProcessTable([(0, gpu())], live, Sorting()).count.text == "none"


def test_filtered_heading_says_how_many_of_them_are_shown() -> None:
    filtered = ProcessTable([(0, BUSY)], LivePieces(), Sorting(filter="user:jo"))
    assert (filtered.shown, filtered.count.text) == ("1 of ", "3 on 1 GPU · 3 users")
    assert ProcessTable([(0, BUSY)], LivePieces(), Sorting()).shown == ""


def test_totals_by_user_are_links_to_their_processes() -> None:
    live = LivePieces()
    other = gpu(1, processes=(process(40, user="mira", memory_used_bytes=GIB), process(41, user=None)))
    html = ProcessTable([(0, BUSY), (1, other)], live, Sorting()).users.draw()
    texts = {value.name: value.text.replace("\u2009", " ") for value in live.values}
    assert [texts[f"user-{place}"] for place in range(3)] == ["2 GPUs · 4.0 GiB", "1 GPU", "1 GPU · 7.0 GiB"]
    assert '<a href="?filter=user%3Amira#processes"><b>mira</b>' in html
    assert ProcessTable([(0, BUSY)], LivePieces(), Sorting()).users.draw() == ""


def test_total_with_an_unknown_part_is_at_least_that_much() -> None:
    live = LivePieces()
    mixed = gpu(processes=(process(1, memory_used_bytes=GIB), process(2, memory_used_bytes=None)))
    ProcessTable([(0, mixed), (1, gpu(1))], live, Sorting())
    assert next(value.text for value in live.values if value.name == "user-0") == "1 GPU · ≥ 1.0\u2009GiB"


def test_hidden_process_keeps_its_row_and_says_why() -> None:
    hidden = process(
        7, status="hidden", user=None, name=None, command=None, unavailable={"command": "start with `pid: host`"}
    )
    html = ProcessTable([(0, gpu(processes=(hidden,)))], LivePieces(), Sorting()).rows.draw()
    assert "hidden by PID namespace" in html
    assert "start with `pid: host`" in html


@pytest.mark.parametrize(
    ("places", "shown", "title"),
    [
        ({"container_id": "ab" * 32, "container_name": "vllm-2"}, "vllm-2", f"vllm-2, {'ab' * 32}"),
        ({"container_id": "ab" * 32}, "ab" * 6, "ab" * 32),
        ({"job_id": "8841"}, "job 8841", "job 8841"),
        (
            {
                "container_id": "ab" * 32,
                "container_name": "main",
                "pod_id": "p0d",
                "pod_name": "team/llm",
                "job_id": "8841",
            },
            "main · job 8841",
            f"main, {'ab' * 32}, pod team/llm, job 8841",
        ),
    ],
)
def test_container_is_shown_by_name_with_its_job_and_found_by_any_of_them(
    places: dict[str, str], shown: str, title: str
) -> None:
    placed = gpu(processes=(process(7, **places), process(8)))
    html = ProcessTable([(0, placed)], LivePieces(), Sorting()).rows.draw()
    assert f'title="{title}">{shown}</td>' in html
    assert pids("sort=container", placed) == [7, 8]
    assert all(pids(f"filter={place}", placed) == [7] for place in places.values())


def test_markup_in_a_command_is_text() -> None:
    bad = process(7, command="<img src=x onerror=alert(1)>", user="<b>", container_name='"><script>')
    html = ProcessTable([(0, gpu(processes=(bad,)))], LivePieces(), Sorting()).rows.draw()
    assert "<img" not in html
    assert "<b>" not in html.replace('<b id="', "")
    assert "<script" not in html


@pytest.mark.parametrize(
    ("address", "link", "order_now"),
    [
        ("/", "?sort=pid&amp;order=asc", None),
        ("/?sort=pid", "?sort=pid&amp;order=desc", "ascending"),
        ("/?sort=pid&order=desc", "?sort=pid&amp;order=asc", "descending"),
        ("/?layout=cards&sort=memory&filter=a%26b", "?layout=cards&amp;filter=a%26b&amp;sort=pid&amp;order=asc", None),
    ],
)
def test_heading_sorts_by_its_column_and_keeps_the_rest_of_the_address(
    address: str, link: str, order_now: str | None
) -> None:
    request = RequestFactory().get(address)
    table = ProcessTable([(0, BUSY)], LivePieces(), Sorting.of(request.GET))
    html = render_to_string("monitor/fragments/processes.html", {"table": table}, request)
    head = html[html.index('class="column-pid"') : html.index('data-sort="pid"')]
    assert f'href="{link}#processes"' in head
    assert (f'aria-sort="{order_now}"' in head) if order_now else ("aria-sort" not in head)


def test_column_is_declared_once_with_header_cells_sort_values_and_class() -> None:
    age = fact("age", "Age", lambda _, p: Value("", f"{p.started_at:.0f}"), lambda _, p: p.started_at, css="age")
    encoder = reading("enc", "Encoder", "encoder_utilization_percent", lambda value: f"{value} %")
    young, old = (
        process(pid, started_at=started, encoder_utilization_percent=share)
        for pid, started, share in ((1, 9.0, 40), (2, 5.0, None))
    )
    live, sorting = LivePieces(), Sorting("age", is_descending=False)
    table = ProcessTable([(0, gpu(processes=(young, old)))], live, sorting, (*COLUMNS, age, encoder))
    request = RequestFactory().get("/?sort=age")
    html = render_to_string("monitor/fragments/processes.html", {"table": table}, request)
    assert 'data-sort="age">Age</a>' in html
    assert 'class="column-age"' in html
    assert html.index('<td class="age">5</td>') < html.index('<td class="age">9</td>')
    value = next(each for each in live.values if each.text == "40 %")
    assert f'<td id="{value.name}">40 %</td>' in html
    # A changed reading does not change the row.
    older = ProcessTable(
        [(0, gpu(processes=(process(1, started_at=9.0),)))], LivePieces(), sorting, (*COLUMNS, encoder)
    )
    newer = ProcessTable(
        [(0, gpu(processes=(process(1, started_at=9.0, encoder_utilization_percent=1),)))],
        LivePieces(),
        sorting,
        (*COLUMNS, encoder),
    )
    assert older.rows.mark == newer.rows.mark
