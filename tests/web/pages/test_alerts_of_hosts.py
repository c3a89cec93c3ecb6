"""Alerts of several hosts on the pages, in the API and for snoozing."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from monitor.alerts.alert_rows import alert_of
from monitor.alerts.silence import end_with, is_silent, reasons
from monitor.fleet.registry import Row
from monitor.models import AlertEvent, AlertRule, Channel, Delivery, Snooze
from monitor.notifications.messages import link_to, message_of
from monitor.runtime.runtime import Runtime
from monitor.telemetry.schema import Alert
from monitor.web.pages.alert_history import PastAlert
from monitor.web.pages.registry import live_page_named
from tests.support.clients import logged_in
from tests.support.outbox_rows import a_rule
from tests.support.runtimes import current_runtime
from tests.support.snapshots import gpu, host
from tests.web.alert_rows import event

pytestmark = [
    pytest.mark.django_db(databases="__all__", transaction=True),
    pytest.mark.usefixtures("static_root"),
]
OTHER, GONE, HUB = "cd" * 16, "ab" * 16, "ef" * 16


@pytest.fixture(autouse=True)
def hub() -> Iterator[Runtime]:
    """The hub and dgx-02, of which one alert each is open, and dgx-01, which was deleted."""
    with current_runtime(host_id=HUB) as runtime:
        runtime.hub.take(host(gpu(5), host="hub", host_id=HUB))
        runtime.fleet.set_rows([Row(OTHER, "dgx-02", ("lab",), "active", None, "", "", None, "")])
        rule = a_rule(name="Too hot")
        for minutes, host_id, name, state in (
            (1, "", "hub", "firing"),
            (2, OTHER, "dgx-02", "firing"),
            (3, OTHER, "dgx-02", "resolved"),
            (4, GONE, "dgx-01", "resolved"),
        ):
            event(minutes, host_id=host_id, host=name, state=state, rule=rule, summary=f"GPU 5 of {name} is hot")
        shown = tuple(alert_of(row) for row in AlertEvent.objects.filter(state="firing"))
        runtime.show_alerts(shown)
        yield runtime


def html(answer: Any) -> str:
    return str(answer.content.decode())


def hosts(alerts: list[dict[str, str]]) -> list[str]:
    return [alert["host"] for alert in alerts]


@pytest.mark.parametrize(
    ("query", "now", "past"),
    [
        ("?state=all", ["hub", "dgx-02"], ["hub", "dgx-02", "dgx-02", "dgx-01"]),
        ("?state=all&host=hub", ["hub"], ["hub"]),
        ("?state=all&host=dgx-02", ["dgx-02"], ["dgx-02", "dgx-02"]),
        (f"?state=all&host={OTHER}", ["dgx-02"], ["dgx-02", "dgx-02"]),
        ("?state=resolved&host=dgx-01", [], ["dgx-01"]),
    ],
)
def test_api_lists_the_alerts_of_one_host(client: Client, query: str, now: list[str], past: list[str]) -> None:
    found = client.get(f"/api/alerts{query}").json()
    assert sorted(hosts(found["alerts"])) == sorted(now)
    assert hosts(found["history"]) == past


def test_api_names_an_unknown_host(client: Client) -> None:
    answer = client.get("/api/alerts?host=dgx-09")
    assert (answer.status_code, "No host 'dgx-09'" in answer.json()["error"]) == (404, True)


def test_list_is_filtered_by_host_and_names_it(client: Client) -> None:
    page = html(client.get("/alerts"))
    assert "<h1>Alerts</h1>" in page
    assert re.findall(r"· on (\S+)", page) == ["hub", "dgx-02", "dgx-02", "dgx-01"]
    assert re.findall(r'<select name="host".*?</select>', page, re.DOTALL)
    filtered = html(client.get("/alerts?host=dgx-01"))
    assert "GPU 5 of dgx-01 is hot" in filtered
    assert "<option selected>dgx-01</option>" in filtered


def test_page_of_an_alert_leads_to_the_gpu_of_its_host(client: Client) -> None:
    row = AlertEvent.objects.get(host_id=OTHER, state="resolved")
    page = html(client.get(f"/alerts/{row.pk}"))
    assert f'href="/host/{OTHER}/gpu/GPU-5"' in page
    assert f'<a href="/host/{OTHER}/">dgx-02</a>' in page
    assert "No evidence is kept with this alert: it fired before an upgrade" in page
    assert link_to(alert_of(row), "https://gpus.example.org/") == f"https://gpus.example.org/host/{OTHER}/gpu/GPU-5"


def test_alert_of_a_host_itself_leads_to_its_history() -> None:
    row = event(5, host_id=OTHER, host="dgx-02", gpu_uuid="", gpu_index=None, metric="system.memory_used_percent")
    assert PastAlert(row, has_details=True).chart.startswith(f"/history?host={OTHER}&metric=memory_used_percent&from=")


def test_snapshot_of_a_host_has_its_alerts(client: Client, hub: Runtime) -> None:
    live = hub.fleet.hub_of("dgx-02")
    assert live is not None
    live.take(host(gpu(5), host="dgx-02", host_id=OTHER))
    assert live.published is not None
    assert [alert.host for alert in live.published.alerts] == ["dgx-02"]
    hub.show_alerts(())
    assert live.published.alerts == ()


def test_snapshot_of_the_hub_has_its_own_alerts_and_pages_of_no_host_those_of_all(client: Client, hub: Runtime) -> None:
    assert hub.hub.published is not None
    assert [alert.host for alert in hub.hub.published.alerts] == ["hub"]
    assert hosts(client.get("/api/snapshot").json()["alerts"]) == ["hub"]
    assert client.get("/api/health").json()["alerts"] == {"info": 0, "warning": 2, "critical": 0}
    count = re.compile(r'id="alerts-count"[^>]*>(\d*)<')
    shown = {path: count.findall(html(client.get(path))) for path in ("/alerts", "/usage", "/host/hub/", "/")}
    assert shown == {"/alerts": ["2"], "/usage": ["2"], "/host/hub/": ["1"], "/": ["2"]}


def test_header_of_a_page_of_all_hosts_names_none(admin_client: Client, hub: Runtime) -> None:
    """The alerts and the usage of all hosts were under the name of the hub, and the settings had no link to the hosts."""
    of_fleet = ("/", "/alerts", "/usage", "/admin/monitor/alertrule/")
    pages = {path: html(admin_client.get(path)) for path in (*of_fleet, "/host/hub/", "/host/dgx-02/")}
    headings = {path: re.findall(r'class="host">.*?<b>([^<]*)</b>', page, re.DOTALL)[0] for path, page in pages.items()}
    assert headings == {**dict.fromkeys(of_fleet, "2 hosts"), "/host/hub/": "hub", "/host/dgx-02/": "dgx-02"}
    links = {
        path: re.findall(r'<nav class="nav".*?<a [^>]*>\s*(\w+)', page, re.DOTALL)[0] for path, page in pages.items()
    }
    assert set(links.values()) == {"Hosts"}


def test_list_has_the_value_that_each_host_has_now(client: Client, hub: Runtime) -> None:
    theirs = AlertEvent.objects.get(host_id=OTHER, state="firing")
    seldom: dict[str, Any] = {"poll_interval_seconds": 600.0, "sampled_at": time.time()}  # not stale on a busy machine
    hub.hub.take(host(gpu(5, memory_used_percent=88), host="hub", host_id=HUB, **seldom))
    hub.fleet.show(host(gpu(5, memory_used_percent=91), host="dgx-02", host_id=OTHER, **seldom), number=1)
    banner, *rows = re.findall(r"now (\d+)\u2009%, for", html(client.get("/alerts")))
    assert (banner, rows) == ("88", ["88", "91"])
    assert "now 91\u2009%, for" in html(client.get(f"/alerts/{theirs.pk}"))
    page = live_page_named("alerts")
    assert page is not None
    assert page.is_of_fleet
    texts = {value.name: value.text for value in page.pieces(hub.fleet_ticks.snapshot()).values}
    assert texts[f"now-{theirs.pk}"].startswith("now 91\u2009%, for")


def test_snooze_of_a_host_leaves_the_others(client: Client) -> None:
    user = User.objects.create_user("operator")
    user.user_permissions.add(Permission.objects.get(codename="mute_alertrule"))
    operator = logged_in(user)
    theirs = AlertEvent.objects.get(host_id=OTHER, state="firing")
    page = html(operator.get(f"/alerts/{theirs.pk}"))
    assert re.findall(r'name="scope" value="(\w+)"', page) == ["gpu", "host", "rule"]
    operator.post(f"/alerts/{theirs.pk}/snooze", {"length": "resolved", "scope": "host"})
    assert Snooze.objects.get().host_id == OTHER
    rule, now = AlertRule.objects.get(name="Too hot"), timezone.now()
    assert [is_silent(rule, now, "GPU-5", host_id) for host_id in (OTHER, GONE, "")] == [True, False, False]
    assert reasons(rule, now, "GPU-5", OTHER) == ["until it has resolved, for this host"]
    own = AlertEvent.objects.get(host_id="", state="firing")
    operator.post(f"/alerts/{own.pk}/snooze", {"length": "1h", "scope": "host"})
    rule = AlertRule.objects.get(name="Too hot")
    assert [is_silent(rule, now, "GPU-5", host_id) for host_id in (OTHER, GONE, "")] == [True, False, True]
    AlertEvent.objects.filter(pk=theirs.pk).update(state="resolved")
    end_with(theirs)
    assert not is_silent(AlertRule.objects.get(name="Too hot"), now, "GPU-5", OTHER)


def test_link_of_a_message_about_one_host_snoozes_that_host_alone(client: Client) -> None:
    rule = AlertRule.objects.get(name="Too hot")
    channel = Channel.objects.create(name="ops", url="json://ops.example.org")
    delivery = Delivery.objects.create(
        channel=channel, rule=rule, kind="fired", created_at=timezone.now(), due_at=timezone.now()
    )
    down = event(1, rule=rule, host_id=OTHER, host="dgx-02", gpu_uuid="", gpu_index=None, state="firing")
    delivery.events.add(down)
    links = message_of(delivery, now=timezone.now(), public_url="https://gpus.example.org").links
    path = links.rpartition("https://gpus.example.org")[2]
    page = html(client.get(path))
    assert re.findall(r'name="scope" value="(\w+)"', page) == ["host"]
    key = re.findall(r'name="key" value="([^"]+)"', page)[0]
    client.post(path.partition("?")[0], {"length": "1h", "scope": "host", "key": key})
    assert Snooze.objects.get().host_id == OTHER


def test_alert_has_the_id_of_its_host() -> None:
    made: Alert = alert_of(AlertEvent.objects.get(host_id=GONE))
    assert (made.host, made.host_id) == ("dgx-01", GONE)
