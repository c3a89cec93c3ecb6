"""The first page with one host and with several, for each kind of viewer."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import get_script_prefix, set_script_prefix

from monitor.access.policy import Access
from monitor.fleet.registry import Row
from monitor.live.pieces import ANY_LINK
from monitor.runtime.runtime import Runtime
from monitor.web.pages.registry import live_page_named
from tests.support.runtimes import current_runtime
from tests.support.snapshots import gpu, host
from tests.web.hosts.joined import HUB

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_root")]


def get(client: Client, path: str, **headers: str) -> str:
    answer = client.get(path, headers=headers)
    assert answer.status_code == 200
    return answer.content.decode()


def links_to_hosts(page: str) -> list[str]:
    table = page[page.index('id="hosts-list"') :]
    return re.findall(r'href="/host/([^/"]+)/"', table)


@pytest.mark.usefixtures("hub")
def test_several_hosts_are_listed_on_the_first_page(client: Client) -> None:
    page = get(client, "/")
    assert links_to_hosts(page) == ["lab1", "node1", "hub"], "by tag; the hub has none"
    assert 'data-socket="/ws/dashboard?view=hosts%3Fgroup%3Dtag' in page
    assert "<title>lab1" not in page, "it is connected, and has sent nothing yet"
    assert re.search(r'aria-current="page">\s*Hosts</a>', page)


def test_with_one_host_the_first_page_is_its_dashboard(client: Client) -> None:
    with current_runtime(host_id=HUB) as runtime:
        runtime.hub.take(host(gpu(0), host="hub"))
        page = get(client, "/")
    assert 'data-socket="/ws/dashboard?view=cards"' in page
    assert "hosts-list" not in page
    assert "Choose a host" not in page


@pytest.mark.usefixtures("hub")
def test_filter_sorting_and_grouping_are_in_the_address(client: Client) -> None:
    assert links_to_hosts(get(client, "/?filter=tag:train")) == ["node1"]
    assert links_to_hosts(get(client, "/?group=none&sort=free&order=desc")) == ["node1", "hub", "lab1"]
    page = get(client, "/?filter=fre%3E1")
    assert "there is no field &#x27;fre&#x27;" in page
    assert links_to_hosts(page) == ["lab1", "node1", "hub"]


@pytest.mark.usefixtures("hub")
def test_htmx_gets_the_list_with_the_address_of_its_socket(client: Client) -> None:
    fragment = get(client, "/?filter=tag:train", **{"HX-Request": "true"})
    assert "<html" not in fragment
    assert 'data-view="/ws/dashboard?view=hosts%3Ffilter%3Dtag%253Atrain' in fragment
    assert 'id="hosts-count" role="status"' in fragment


@pytest.mark.usefixtures("hub")
def test_live_list_of_a_read_only_link_leads_to_pages_below_the_link() -> None:
    live = live_page_named("hosts?group=none")
    assert live is not None
    assert live.is_of_fleet
    before = get_script_prefix()
    set_script_prefix(ANY_LINK)
    try:
        html = "".join(part.draw() for part in live.pieces(host(seq=7)).parts)
    finally:
        set_script_prefix(before)
    assert f'href="{ANY_LINK}host/node1/"' in html


def test_retired_hosts_are_in_the_admin_only(client: Client, hub: Runtime) -> None:
    given = {
        "last_seen_at": None,
        "agent_version": "",
        "driver_version": "",
        "clock_offset_seconds": None,
        "problem": "",
    }
    rows = [
        Row(host_id=str(row.host_id), name=row.name, tags=row.tags, state="retired", **given)  # type: ignore[arg-type]
        for row in hub.fleet.summaries()
    ]
    hub.fleet.set_rows(rows)
    assert "hosts-list" not in get(client, "/")


@pytest.mark.usefixtures("hub")
def test_first_page_needs_the_login_that_the_dashboard_needs(client: Client, settings: Any) -> None:
    settings.ACCESS = Access("everybody", is_exposed=True, shows_details=True)
    assert client.get("/").status_code == 302
    settings.ACCESS = Access("nobody", is_exposed=True, shows_details=False)
    assert "mira" not in get(client, "/")
