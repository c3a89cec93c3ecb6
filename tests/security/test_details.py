"""On a server that needs no login, only logged-in viewers see who runs what: on pages, in the API and over sockets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
import requests

from monitor.telemetry.redaction import OF_PROCESSES
from tests.support.people import Made, cookie, log_in, make_people
from tests.support.servers import Server, wait_for
from tests.support.sockets import connect

pytestmark = pytest.mark.slow
OF_ALERTS = ("ana runs it", "mira looks at it", "operator")


class Site(NamedTuple):
    server: Server
    made: Made
    uuid: str
    secrets: set[str]
    """Users, names, command lines and containers that the driver reports."""
    logged_in: dict[str, requests.Session]
    """A session of each user."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server that needs no login and hides details from anonymous viewers."""
    folder = tmp_path_factory.mktemp("open")
    server = Server(folder, auth="none", anonymous_details="hide", telemetry_provider="simulated").start()
    try:
        wait_for(lambda: server.get("/api/health")[0] == 200, "the first reading")
        made = make_people(server)
        whole = requests.get(f"{server.url}/api/snapshot", headers=bearer(made), timeout=40).json()
        logged_in = {name: log_in(server, name) for name in ("viewer", "manager", "administrator")}
        yield Site(server, made, whole["gpus"][0]["uuid"], secrets_of(whole), logged_in)
    finally:
        server.stop()


def bearer(made: Made) -> dict[str, str]:
    return {"Authorization": f"Bearer {made.tokens['read']}"}


def secrets_of(snapshot: dict[str, Any]) -> set[str]:
    running = [process for gpu in snapshot["gpus"] for process in gpu["processes"] or ()]
    values = {process[name] for process in running for name in OF_PROCESSES if name != "name"}
    found = {value for value in values if value} | {gpu["serial_number"] for gpu in snapshot["gpus"]}
    assert len(found) > 5
    return found


def told(site: Site, text: str) -> set[str]:
    """The secrets that appear in the text as whole words."""
    return {secret for secret in (*site.secrets, *OF_ALERTS) if re.search(rf"(?<!\w){re.escape(secret)}(?!\w)", text)}


def paths(site: Site) -> list[str]:
    return [
        "/",
        "/?layout=tiles",
        "/?filter=python&sort=user",
        f"/gpu/{site.uuid}",
        "/alerts",
        f"/alerts/{site.made.event}",
    ]


def test_pages_hide_details_from_anonymous_viewers(site: Site) -> None:
    for path in paths(site):
        status, html = site.server.get(path)
        assert status == 200
        assert told(site, html) == set(), path


def test_pages_show_details_to_logged_in_viewers(site: Site) -> None:
    browser = site.logged_in["viewer"]
    assert told(site, browser.get(f"{site.server.url}/", timeout=40).text)
    for path in ("/alerts", f"/alerts/{site.made.event}"):
        assert set(OF_ALERTS) <= told(site, browser.get(site.server.url + path, timeout=40).text)


def test_search_finds_nothing_in_hidden_details(site: Site) -> None:
    """Otherwise hidden details could be guessed word by word."""
    browser = site.logged_in["viewer"]
    link = f"/alerts/{site.made.event}"
    for word in ("ana", "mira"):
        assert link not in site.server.get(f"/alerts?q={word}")[1]
        assert link in browser.get(f"{site.server.url}/alerts?q={word}", timeout=40).text
    user = next(iter(sorted(site.secrets)))
    assert 'class="command"' not in site.server.get(f"/?filter={user.split()[0]}")[1]


def test_api_hides_details_from_anonymous_callers_and_says_why_they_are_null(site: Site) -> None:
    for path in ("/api/snapshot", "/api/snapshot?gpu=0", "/api/alerts?state=all", "/api/health"):
        assert told(site, site.server.get(path)[1]) == set(), path
    (running, *_) = site.server.json("/api/snapshot?gpu=0")["processes"]
    assert running["user"] is None
    assert running["unavailable"]["command"] == "shown to people who are logged in"
    (event, *_) = site.server.json("/api/alerts?state=all")["history"]
    assert [event[name] for name in ("detail", "note", "acknowledged_by")] == [None, None, None]
    assert site.server.get("/api/config")[0] == 401


def test_api_shows_details_to_a_program_with_a_token(site: Site) -> None:
    for path in ("/api/alerts?state=all", "/api/config"):
        answer = requests.get(site.server.url + path, headers=bearer(site.made), timeout=40)
        assert answer.status_code == 200
    assert set(OF_ALERTS) <= told(
        site, requests.get(f"{site.server.url}/api/alerts?state=all", headers=bearer(site.made), timeout=40).text
    )


def commands_in(text: str) -> bool:
    """The simulated processes run programs with options, such as `python train.py --epochs 40`."""
    return " --" in text


def test_command_lines_need_the_permission_and_names_do_not(site: Site) -> None:
    """Command lines hold secrets more often than they should, and every viewer saw them."""
    viewer, manager, superuser = (site.logged_in[name] for name in ("viewer", "manager", "administrator"))
    for path in ("/api/snapshot", "/api/snapshot?gpu=0", "/", f"/gpu/{site.uuid}"):
        texts = [browser.get(site.server.url + path, timeout=40).text for browser in (viewer, manager, superuser)]
        assert [commands_in(text) for text in texts] == [False, True, True], path
    (running, *_) = viewer.get(f"{site.server.url}/api/snapshot?gpu=0", timeout=40).json()["processes"]
    assert (running["command"], bool(running["name"])) == (None, True)
    assert running["unavailable"]["command"] == "shown to users with the permission to view command lines"
    found = viewer.get(f"{site.server.url}/?filter=--", timeout=40).text
    assert 'class="command"' not in found.partition("<tbody")[2], "a search would reveal them word by word"


def test_token_reads_command_lines_with_the_scope_if_its_owner_can(site: Site) -> None:
    seen = {}
    for name in ("read", "commands", "commands_of_manager"):
        headers = {"Authorization": f"Bearer {site.made.tokens[name]}"}
        by_request = requests.get(f"{site.server.url}/api/snapshot", headers=headers, timeout=40).text
        with connect(f"{site.server.ws}/ws/gpu", additional_headers=headers) as feed:
            seen[name] = (commands_in(by_request), commands_in(str(feed.recv(timeout=40))))
    assert seen == {"read": (False, False), "commands": (False, False), "commands_of_manager": (True, True)}


@pytest.mark.parametrize("path", ["/ws/gpu", "/ws/dashboard"])
def test_open_sockets_differ_by_the_permission(site: Site, path: str) -> None:
    seen = []
    for name in ("viewer", "manager"):
        headers = {"Cookie": "=".join(cookie(site.logged_in[name], "session"))}
        with connect(site.server.ws + path, origin=site.server.url, additional_headers=headers) as known:
            seen.append(commands_in(str(known.recv(timeout=40))))
    assert seen == [False, True]


@pytest.mark.parametrize(
    "path", ["/ws/gpu", "/ws/dashboard", "/ws/dashboard?view=tiles", "/ws/dashboard?view=gpu:{uuid}"]
)
def test_sockets_of_anonymous_and_logged_in_viewers_differ_at_the_same_time(site: Site, path: str) -> None:
    """Frames are shared only among viewers with the same permission."""
    url = site.server.ws + path.format(uuid=site.uuid)
    browser = site.logged_in["viewer"]
    session = "=".join(cookie(browser, "session"))
    with (
        connect(url, origin=site.server.url) as unknown,
        connect(url, origin=site.server.url, additional_headers={"Cookie": session}) as known,
    ):
        for _ in range(3):
            assert told(site, str(unknown.recv(timeout=40))) == set()
        assert told(site, str(known.recv(timeout=40)))


def test_dash_says_that_a_login_shows_more(site: Site) -> None:
    with connect(f"{site.server.ws}/ws/dashboard", origin=site.server.url) as unknown:
        content = json.loads(unknown.recv(timeout=40))["content"]
    assert 'title="shown to people who are logged in"' in content


FILL = "import time\nfrom tests.web.usage.ledger_rows import fill\nfill(time.time(), days=3)"
HOLDERS = ("oskar", "render", "trainer", "oska.py")
"""Users, a container and a command of those rows."""


def test_usage_names_nobody_to_anonymous_viewers_and_commands_only_with_the_permission(site: Site) -> None:
    site.server.manage("shell", "-c", FILL)
    viewer, manager = (site.logged_in[name] for name in ("viewer", "manager"))
    groupings = ("user", "container", "program", "command", "job", "gpu")
    asked = [
        "/ribbons",
        f"/ribbons/{site.uuid}?range=24h",
        *(f"/usage?by={by}" for by in groupings),
        *(f"/api/usage?by={by}&format={form}" for by in groupings for form in ("json", "csv")),
    ]

    def named(text: str) -> set[str]:
        return {name for name in HOLDERS if name in text}

    for path in asked:
        status, text = site.server.get(path)
        assert (status, named(text)) == (200, set()), path
    seen = [
        set().union(*(named(browser.get(site.server.url + path, timeout=40).text) for path in asked))
        for browser in (viewer, manager)
    ]
    assert seen == [set(HOLDERS) - {"oska.py"}, set(HOLDERS)]
