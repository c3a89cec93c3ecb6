"""Usage of a fleet: page, API and command sum over all hosts, or show one."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

from monitor.models import FleetHost
from monitor.models.usage import UsageGpu, UsageHolder, UsagePeriod, UsageShare, UsageSlice
from monitor.notifications.reports.settings import ReportSettings
from monitor.notifications.reports.summary import title_and_text
from monitor.notifications.reports.week import week_before
from monitor.usage.records import hosts
from monitor.usage.reports import Prices
from monitor.web.pages.usage import UsagePage, read_usage
from tests.support.clients import logged_in
from tests.support.runtimes import current_runtime
from tests.support.snapshots import gpu, host
from tests.web.usage.ledger_rows import SLICE

pytestmark = [pytest.mark.django_db(databases=["default", "history"]), pytest.mark.usefixtures("static_root")]
START = 1_790_000_100
"""The start of a slice, and of a span of an hour. The hub has two GPUs, dgx-05 one."""
DGX = "d" * 32
SPAN = f"from={START}&to={START + 3600}"


@pytest.fixture(autouse=True)
def rows() -> None:
    """Ana used all of them for an hour."""
    FleetHost.objects.create(host_id=DGX, name="dgx-05")
    ana = UsageHolder.objects.create(user="ana", command="python train.py", last_at=START + 3600)
    for host_id, name, index in (("", "hub", 0), ("", "hub", 1), (DGX, "dgx-05", 0)):
        of = UsageGpu.objects.create(host_id=host_id, host=name, uuid=f"GPU-{index}", index=index, name="H100")
        UsagePeriod.objects.create(gpu=of, start=START, end=START + 3600)
        for start in range(START, START + 3600, SLICE):
            ms = SLICE * 1000
            UsageSlice.objects.create(
                gpu=of, start=start, busy_ms=ms, held_ms=0, nobody_ms=0, free_ms=0, lost_ms=0, unread_ms=0,
                energy_joules=100, energy_ms=ms,
            )  # fmt: skip
            UsageShare.objects.create(
                gpu=of, start=start, holder=ana, share_ms=ms, user_ms=ms, container_ms=ms, program_ms=ms, command_ms=ms,
                job_ms=ms, held_ms=0, zero_ms=0, sm_known_ms=ms, sm_percent_seconds=SLICE * 50, memory_mib_seconds=SLICE,
                energy_joules=100,
            )  # fmt: skip


def page(query: str = "", **chosen: str) -> UsagePage:
    given = {"from": str(START), "to": str(START + 3600), **chosen}
    made = UsagePage(host(gpu(), host="hub"), given, START + 9000, UTC, has_details=True, hosts=hosts())
    made.fill(read_usage(made.wanted, Prices(), UTC, START + 9000, made.host_id))
    return made


def test_page_sums_over_all_hosts_and_offers_them() -> None:
    made = page()
    assert (made.bar.what, made.hosts, made.host) == ("3 GPUs of 2 hosts × 1\u2009h", ["dgx-05", "hub"], "")
    assert made.report.users_seconds == pytest.approx(3 * 3600)
    assert [link.label for link in made.groupings][-1] == "Host"
    by_host = page(by="host").table
    assert (by_host.title, [line.label for line in by_host.lines]) == ("host", ["hub", "dgx-05"])
    by_gpu = page(by="gpu").table
    assert {(line.label, line.address) for line in by_gpu.lines} == {
        ("hub · GPU 0", "/gpu/GPU-0"),
        ("hub · GPU 1", "/gpu/GPU-1"),
        ("dgx-05 · GPU 0", f"/host/{DGX}/gpu/GPU-0"),
    }


@pytest.mark.parametrize("wanted", ["dgx-05", DGX])
def test_page_of_one_host_keeps_it_in_its_links(wanted: str) -> None:
    made = page(host=wanted)
    assert (made.report.gpu_count, made.host, made.problem) == (1, "dgx-05", "")
    assert "host=dgx-05" in made.csv_query
    assert all("host=dgx-05" in link.query for link in (*made.ranges, *made.groupings))


def test_page_of_an_unknown_host_says_so_and_shows_all() -> None:
    made = page(host="dgx-09")
    assert made.problem == "No usage of a host 'dgx-09' is recorded: all hosts are shown."
    assert made.report.gpu_count == 3


@pytest.fixture
def client(rows: None) -> Any:
    with current_runtime(host_id="e" * 32) as runtime:
        runtime.hub.take(host(gpu(), host="hub"))
        yield logged_in(User.objects.create_superuser("boss"))


@pytest.mark.parametrize(("query", "count"), [("", 3), ("&host=hub", 2), ("&host=dgx-05", 1), (f"&host={DGX}", 1)])
def test_api_answers_for_all_hosts_or_one(client: Client, query: str, count: int) -> None:
    answer = client.get(f"/api/usage?{SPAN}{query}").json()
    assert (answer["gpu_count"], answer["users_seconds"]) == (count, count * 3600)
    html = client.get(f"/usage?{SPAN}{query}").content.decode()
    assert ('value="dgx-05" selected' in html) == ("dgx" in query or DGX in query)


def test_span_without_records_shows_no_zeros(client: Client) -> None:
    html = client.get(f"/usage?from={START - 7200}&to={START - 3600}").content.decode()
    assert "No usage is recorded in this span yet." in html
    assert "kWh" not in html


@pytest.mark.parametrize("address", ["/api/usage", "/api/usage/processes"])
def test_api_refuses_an_unknown_host(client: Client, address: str) -> None:
    answer = client.get(f"{address}?{SPAN}&host=dgx-09")
    assert (answer.status_code, "No host 'dgx-09'" in answer.json()["error"]) == (404, True)


def test_command_prints_all_hosts_or_one() -> None:
    def printed(*options: str) -> str:
        out = io.StringIO()
        call_command("usage", "--from", str(START), "--to", str(START + 3600), *options, stdout=out)
        return out.getvalue()

    assert "3 GPUs of 2 hosts" in printed("--by", "host")
    assert "1 GPU\n" in printed("--host", "dgx-05")
    with pytest.raises(CommandError, match="no usage of a host 'dgx-09' is recorded; known hosts: hub, dgx-05"):
        printed("--host", "dgx-09")


def test_weekly_report_names_the_hosts() -> None:

    after = datetime.fromtimestamp(START, UTC) + timedelta(days=7)
    assert week_before(after).span[0] <= START < week_before(after).span[1]
    _title, text = title_and_text(after, ReportSettings(prices=Prices(), address=None))
    assert "3 GPUs of 2 hosts" in text
    assert "By host:\n· hub: 2 GPUs, 2" in text
