"""The dashboard and the GPU's page of another host, and its free GPUs."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from monitor.access.policy import Access
from monitor.runtime.runtime import Runtime
from monitor.web.hosts.picker import MOST_IN_PICKER
from monitor.web.pages.registry import live_page_named
from tests.support.snapshots import gpu, host
from tests.web.hosts.joined import id_of, join

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_root", "hub")]


def get(client: Client, path: str) -> tuple[int, str]:
    answer = client.get(path)
    return answer.status_code, answer.content.decode()


def test_dashboard_of_another_host_has_its_gpus_processes_and_socket(client: Client) -> None:
    status, page = get(client, "/host/node1/")
    assert status == 200
    assert 'href="/host/node1/gpu/GPU-free"' in page
    assert "python secret.py" in page
    assert 'data-socket="/ws/dashboard?view=cards&amp;host=node1"' in page
    assert 'href="/api/snapshot?host=node1"' in page
    assert 'hx-get="/ribbons?host=node1"' in page


def test_page_of_a_gpu_of_another_host(client: Client) -> None:
    status, page = get(client, "/host/node1/gpu/GPU-free")
    assert status == 200
    assert 'data-socket="/ws/dashboard?view=gpu%3AGPU-free&amp;host=node1"' in page
    assert 'href="/host/node1/gpu/GPU-0"' in page, "the GPU before it"
    assert 'data-who="/ribbons/GPU-free?host=node1"' in page
    assert '<h1><span class="visually-hidden">node1, GPU 1, </span>' in page, "also the title of its charts as PNG"
    assert 'href="/history?host=node1">Compare GPUs' in page
    assert 'href="/api/history?host=node1&amp;gpu=GPU-free&amp;metric=' in page, "as CSV"
    status, page = get(client, "/host/node1/gpu/GPU-none")
    assert (status, 'href="/host/node1/"' in page) == (404, True)


def test_own_host_has_its_usual_addresses(client: Client) -> None:
    status, page = get(client, "/host/hub/")
    assert (status, 'href="/gpu/GPU-0"' in page, "host=hub" in page) == (200, True, False)


def test_host_without_readings_says_so(client: Client) -> None:
    status, page = get(client, "/host/lab1/")
    assert (status, "No reading has arrived since the hub started." in page) == (200, True)


def test_unknown_host_is_404_with_a_way_back(client: Client) -> None:
    for path in ("/host/nowhere/", "/host/nowhere/gpu/GPU-0", "/free?host=nowhere"):
        status, page = get(client, path)
        assert (status, "No host &#x27;nowhere&#x27;" in page) == (404, True)


@pytest.mark.parametrize("name", ["a/b", "hub"], ids=["no part of a path", "the hub's own"])
def test_name_that_does_not_lead_to_a_host_is_replaced_by_the_id(client: Client, hub: Runtime, name: str) -> None:
    join(hub, name, host(gpu(0, uuid="GPU-of-it")))
    _, page = get(client, "/host/node1/")
    found = re.search(rf'href="(/host/[0-9a-f]{{32}}/)"\s*>{name}<', page)
    assert found is not None, page
    status, page = get(client, found[1])
    assert (status, "GPU-of-it" in page) == (200, True)


def test_live_page_asked_for_by_a_name_with_a_slash_links_by_the_id(hub: Runtime) -> None:
    """Found by fuzzing: the socket of the page ended, with a traceback in the log."""
    latest = host(gpu(0))
    join(hub, "a/b", latest)
    page = live_page_named("tiles", "a/b")
    assert page is not None
    assert f"/host/{id_of('a/b')}/gpu/GPU-0" in "".join(part.draw() for part in page.pieces(latest).parts)


def test_live_page_of_another_host_links_to_that_host(hub: Runtime) -> None:
    page = live_page_named("tiles", "node1")
    assert page is not None
    latest = host(gpu(0))
    html = "".join(part.draw() for part in page.pieces(latest).parts)
    assert "/host/node1/gpu/GPU-0" in html
    own = live_page_named("tiles", "hub")
    assert own is not None
    assert "/host/" not in "".join(part.draw() for part in own.pieces(latest).parts)


def test_viewers_see_of_another_host_what_they_see_of_the_hub(client: Client, settings: Any) -> None:
    settings.ACCESS = Access("nobody", is_exposed=True, shows_details=False)
    page = get(client, "/host/node1/")[1]
    assert "mira" not in page
    assert "secret.py" not in page
    settings.ACCESS = Access("everybody", is_exposed=True, shows_details=True)
    for path in ("/host/node1/", "/host/node1/gpu/GPU-0"):
        assert client.get(path).status_code == 302


def test_free_gpus_of_one_host_and_of_all(client: Client) -> None:
    answer = client.get("/api/free?host=node1")
    assert (answer.status_code, answer.json()["cuda_visible_devices"]) == (200, "GPU-free")
    assert client.get("/api/free?host=lab1").status_code == 503
    assert client.get("/api/free?host=nowhere").status_code == 404
    answer = client.get("/api/free?host=all").json()
    assert [(each["host"], each["is_enough"]) for each in answer["hosts"]] == [("node1", True), ("hub", False)]
    assert get(client, "/api/free?host=all&format=text") == (200, "node1 GPU-free\n")
    assert get(client, "/api/free?host=all&format=text&count=2") == (409, "No host has enough.\n")
    assert "GPU 1" in get(client, "/free?host=node1")[1]


def test_picker_says_how_many_hosts_it_leaves_out(client: Client, hub: Runtime) -> None:
    """With 300 hosts it ended after 40, as if there were no others."""
    assert "on the page of all hosts" not in get(client, "/host/node1/")[1]
    for number in range(MOST_IN_PICKER):
        join(hub, f"z{number:02}", None)
    _, page = get(client, "/host/node1/")
    assert '<a href="/">3 more: find them on the page of all hosts</a>' in page
