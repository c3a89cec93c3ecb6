"""A read-only link shows the pages without a login and without names, ends when revoked, and is in no log, header or other page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import pytest
import requests
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection

from monitor.telemetry.redaction import OF_PROCESSES
from tests.support.people import Made, make_people
from tests.support.servers import Server, wait_for
from tests.support.sockets import connect, end_of

pytestmark = pytest.mark.slow
ENDED = 4001


class Site(NamedTuple):
    server: Server
    made: Made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server below a path, whose anonymous viewers see no details: they could share bytes with the viewers by link."""
    server = Server(
        tmp_path_factory.mktemp("server"),
        auth="none",
        anonymous_details="hide",
        base_path="/gpus",
        access_log="true",
        telemetry_provider="simulated",
        simulated_gpus=2,
    ).start()
    try:
        wait_for(lambda: server.get("/gpus/api/health")[0] == 200, "the first reading")
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def site(server: Server) -> Site:
    return Site(server, make_people(server))


def create(server: Server, name: str) -> str:
    """The path of a new link."""
    address = server.manage("link", "create", name).strip()
    assert address.startswith(f"{server.url}/gpus/view/")
    return address.removeprefix(server.url)


def token_in(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


def page(server: Server, path: str = "/gpus/", view: str = "cards") -> ClientConnection:
    return connect(f"{server.ws}{path}ws/dashboard?view={view}", origin=server.url)


def first_message(server: Server, path: str = "/gpus/") -> str:
    with page(server, path) as client:
        return str(client.recv(timeout=40))


def test_pages_and_socket_show_no_names_and_link_only_to_pages_of_the_link(site: Site) -> None:
    given = {"Authorization": f"Bearer {site.made.tokens['read']}"}
    whole = requests.get(f"{site.server.url}/gpus/api/snapshot", headers=given, timeout=40).json()
    running = [process for gpu in whole["gpus"] for process in gpu["processes"] or ()]
    names = {process[name] for process in running for name in OF_PROCESSES if name != "name" and process[name]}
    link, uuid = f"/gpus{site.made.link}", whole["gpus"][0]["uuid"]
    shown = [first_message(site.server, link)]
    for path in ("", "?kiosk=1", f"gpu/{uuid}", "history", "alerts", f"alerts/{site.made.event}", "free", "ribbons"):
        status, text = site.server.get(link + path)
        assert status == 200, path
        addresses = re.findall(r'(?:href|action|hx-get|data-history|data-socket)="(/[^"]*)"', text)
        assert {each for each in addresses if not each.startswith((link, "/gpus/static/"))} == set(), path
        shown.append(text)
    for secret in (*names, "ana runs it", "mira looks at it", "operator", "manager"):
        assert not re.search(rf"(?<!\w){re.escape(str(secret))}(?!\w)", "\n".join(shown)), secret
    assert 'name="referrer" content="no-referrer"' in shown[1]
    assert "Log in" not in shown[6]


def test_messages_name_no_link_but_the_clients_own(site: Site) -> None:
    """The bytes of a page are made once for all links: the first one must not be in those of the others."""
    links = [f"/gpus{site.made.link}", create(site.server, "another")]
    messages = [first_message(site.server, path) for path in (*links, "/gpus/")]
    for path, message in zip(links, messages, strict=False):
        assert set(re.findall(r'href=\\"(/[^"]*?)gpu/', message)) == {path}
    assert set(re.findall(r'href=\\"(/[^"]*?)gpu/', messages[-1])) == {"/gpus/"}
    assert "/view/" not in messages[-1]


def test_revoked_link_ends_its_socket_and_says_so_on_its_pages(site: Site) -> None:
    path = create(site.server, "colleague")
    with page(site.server, path) as client, page(site.server, f"/gpus{site.made.link}") as stays:
        assert client.recv(timeout=40)
        site.server.manage("link", "revoke", "colleague")
        assert end_of(client) == (ENDED, "The link has been revoked.")
        assert stays.recv(timeout=40)
    status, text = site.server.get(path)
    assert (status, "The link has been revoked." in text) == (410, True)
    assert requests.post(f"{site.server.url}{path}ws/dashboard", timeout=40).status_code == 410
    badge = requests.get(f"{site.server.url}{path}badge/free.svg", timeout=40)
    assert (badge.status_code, badge.headers["Content-Type"]) == (410, "image/svg+xml")
    assert "link revoked" in badge.text
    assert "no-store" in badge.headers["Cache-Control"]
    assert badge.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    with pytest.raises(InvalidStatus), page(site.server, path):
        pass


def test_link_is_in_no_log_and_no_referrer(site: Site) -> None:
    link = f"{site.server.url}/gpus{site.made.link}"
    token = token_in(site.made.link)
    for path in ("", "nothing", "login", "api/nothing"):
        answer = requests.get(link + path, timeout=40)
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert path == "api/nothing" or 'name="referrer" content="no-referrer"' in answer.text
        assert "no-store" in answer.headers["Cache-Control"]
    requests.post(link, timeout=40)
    requests.get(link.replace(token, token[:-1]), timeout=40)
    first_message(site.server, f"/gpus{site.made.link}")
    wait_for(lambda: "/view/***" in site.server.log, "the access log")
    assert token.partition(".")[0] not in site.server.log


def test_use_is_recorded_while_a_page_is_open(site: Site) -> None:
    used = "SELECT 1 FROM monitor_viewlink WHERE name = 'wall' AND last_used_at IS NOT NULL"
    with page(site.server, f"/gpus{site.made.link}"):
        wait_for(lambda: site.server.sql(used), "the last use")
    listed = site.server.manage("link", "list")
    assert re.search(r"^wall +valid +\S+ \S+ \S+ +\d{4}-\d\d-\d\d", listed, re.MULTILINE)
    assert token_in(site.made.link).partition(".")[0] not in listed
