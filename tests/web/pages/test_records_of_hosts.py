"""History and ribbons of hosts that are connected, down or deleted."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.test import Client

from monitor.fleet.registry import Row
from monitor.history.buckets import Buckets, Column
from monitor.history.store import Written, write
from monitor.models import FleetHost, HistoryGap, HistorySource
from monitor.models.usage import UsageGpu, UsagePeriod, UsageSpan, UsageUser
from tests.support.clients import logged_in, text
from tests.support.runtimes import current_runtime
from tests.support.snapshots import gpu, host

pytestmark = [
    pytest.mark.django_db(databases="__all__", transaction=True),
    pytest.mark.usefixtures("static_root"),
]
DOWN, GONE, HUB = "cd" * 16, "ab" * 16, "ef" * 16
START = int(time.time()) // 60 * 60 - 3600
SPAN = f"from={START}&to={START + 60}"


def record(host_id: str, name: str, percent: float, user: str) -> None:
    source = HistorySource(
        host_id=host_id, host=name, key="GPU-0", kind="gpu", index=0, name="H100", first_at=START, last_at=START + 60
    )
    values: list[float | None] = [percent] * 60
    seconds = [1.0] * 60
    column = Column(values, values, values, seconds)
    buckets = Buckets([*range(START, START + 60)], seconds, {"utilization_percent": column})
    gap = HistoryGap(host_id=host_id, start=START + 30, end=START + 40, reason="lost", text=f"{name} lost something")
    write([Written(source, [buckets], is_changed=True)], [gap])
    used = UsageGpu.objects.create(host_id=host_id, host=name, uuid="GPU-0", index=0, name="H100")
    UsagePeriod.objects.create(gpu=used, start=START, end=START + 600)
    UsageSpan.objects.create(gpu=used, start=START, end=START + 600, state="busy", user=user)
    UsageUser.objects.create(name=user, hue=1 + UsageUser.objects.count())


@pytest.fixture
def client() -> Iterator[Client]:
    """The hub's GPU was busy for 11 % and used by ana, dgx-02's for 22 % by bo, that of a deleted host for 33 % by cy."""
    with current_runtime(host_id=HUB) as runtime:
        runtime.hub.take(host(gpu(0), host="hub", time=time.time(), sampled_at=time.time()))
        FleetHost.objects.create(host_id=DOWN, name="dgx-02")
        runtime.fleet.set_rows([Row(DOWN, "dgx-02", (), "active", None, "", "", None, "")])
        for each in (("", "hub", 11.0, "ana"), (DOWN, "dgx-02", 22.0, "bo"), (GONE, "dgx-01", 33.0, "cy")):
            record(*each)
        yield logged_in(User.objects.create_superuser("boss"))


@pytest.mark.parametrize(
    ("wanted", "shown", "heading"),
    [("", "11", "History"), ("&host=hub", "11", "History"), ("&host=dgx-02", "22", "History · dgx-02"),
     ("&host=dgx-01", "33", "History · dgx-01"), (f"&host={GONE}", "33", "History · dgx-01")],
)  # fmt: skip
def test_history_of_each_host(client: Client, wanted: str, shown: str, heading: str) -> None:
    answer = client.get(f"/history?{SPAN}{wanted}")
    page, name = text(answer), {"11": "hub", "22": "dgx-02", "33": "dgx-01"}[shown]
    assert f" {heading} " in page
    assert f"GPU 0 — — {shown} {shown} {shown}" in page.replace(" %", "")
    assert [each in page for each in ("hub lost", "dgx-02 lost", "dgx-01 lost")].count(True) == 1
    assert f"{name} lost something" in page
    html = answer.content.decode()
    assert html.count("selected>") == 2
    assert f"selected>{name}</option>" in html
    csv = html.partition('data-query="')[2].partition('"')[0]
    assert ("host=" in csv) == (shown != "11")
    assert ("ws/dashboard" in html) == (shown != "33")  # a deleted host has no live content


def test_unknown_host_is_a_page_that_says_so(client: Client) -> None:
    for address in (f"/history?{SPAN}&host=dgx-09", "/ribbons?host=dgx-09", f"/ribbons/GPU-0?{SPAN}&host=dgx-09"):
        assert "No host 'dgx-09'" in text(client.get(address), status=404)


@pytest.mark.parametrize(
    ("wanted", "user", "link"),
    [("", "ana", 'href="/gpu/GPU-0"'), ("dgx-02", "bo", 'href="/host/dgx-02/gpu/GPU-0"'), ("dgx-01", "cy", "")],
)
def test_ribbons_of_each_host(client: Client, wanted: str, user: str, link: str) -> None:
    for address in (f"/ribbons?host={wanted}", f"/ribbons/GPU-0?{SPAN}&host={wanted}"):
        html = client.get(address).content.decode()
        assert {each for each in ("ana", "bo", "cy") if f"{each}, " in html or f">{each}<" in html} == {user}, html
        assert link in html
        assert ('<a href="/gpu/GPU-0"' in html) == (not wanted)
