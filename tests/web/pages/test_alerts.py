"""The alerts pages and acknowledging, for browsers without scripts and for programs: a real server, a real session."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from uuid import uuid4

import pytest
import requests

from tests.support.people import PASSWORD, cookie, log_in
from tests.support.published_schema import check
from tests.support.servers import Server, password_hash, wait_for

pytestmark = pytest.mark.slow

MAKE = """
from django.contrib.auth.models import Permission, User
from monitor.models import AlertEvent, AlertRule
AlertRule.objects.all().delete()
AlertRule.objects.create(name="Always", metric="gpu.utilization_percent", comparator=">=", threshold=0,
                         for_seconds=0, severity="critical", gpu_indexes="0,2")
operator = User.objects.create(username="operator", password=PASSWORD_HASH, is_staff=True)
operator.user_permissions.add(Permission.objects.get(codename="acknowledge_alertevent"))
manager = User.objects.create(username="manager", password=PASSWORD_HASH, is_staff=True)
manager.user_permissions.add(Permission.objects.get(codename="change_alertrule"))
User.objects.create(username="viewer", password=PASSWORD_HASH, is_staff=True)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Three simulated GPUs, two of them with an alert; an operator who can acknowledge and a viewer who cannot."""
    server = Server(
        tmp_path_factory.mktemp("alerts"), telemetry_provider="simulated", simulated_gpus=3, poll_interval_ms=100
    ).start()
    server.manage("shell", "-c", f"PASSWORD_HASH = {password_hash(PASSWORD)!r}\n{MAKE}")
    wait_for(lambda: len(server.json("/api/alerts")["alerts"]) == 2, "two alerts")
    yield server
    server.stop()


@pytest.fixture
def alert(server: Server) -> str:
    """The id of an open alert; earlier acknowledgements are removed."""
    server.sql("UPDATE monitor_alertevent SET acknowledged_at = NULL")

    def found() -> str | None:
        loud = [each["id"] for each in server.json("/api/alerts")["alerts"] if each["acknowledged_at"] is None]
        return loud[0] if len(loud) == 2 else None

    return wait_for(found, "an alert that nobody has acknowledged")


@functools.cache
def session(server: Server, name: str) -> requests.Session:
    """A logged-in session, the same one for all tests: a login takes half a second."""
    return log_in(server, name)


def post(
    visitor: requests.Session, server: Server, alert: str, accept: str = "text/html", **given: str
) -> requests.Response:
    token = cookie(visitor, "csrf")[1]
    return visitor.post(
        f"{server.url}/alerts/{alert}/acknowledge",
        {"csrfmiddlewaretoken": token, **given},
        headers={"Accept": accept},
        allow_redirects=False,
    )


def test_rule_is_a_link_to_its_form_for_those_who_may_change_it(server: Server, alert: str) -> None:
    address = f"{server.url}/alerts/{alert}"
    page = session(server, "manager").get(address).text
    found = re.search(r'<a href="(/admin/monitor/alertrule/\d+/change/)">“Always”</a>', page)
    assert found is not None
    for text in (session(server, "viewer").get(address).text, server.get(f"/alerts/{alert}")[1]):
        assert found[1] not in text
        assert "“Always”" in text


def of_page(server: Server, alert: str) -> str:
    return server.get(f"/alerts/{alert}")[1]


# ── The API ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_api_lists_open_alerts_as_in_the_snapshot(server: Server, alert: str) -> None:
    answer = server.json("/api/alerts")
    check(answer, server.json("/api/schema"), "Alerts")
    assert answer["history"] is None
    assert [each["gpu_index"] for each in answer["alerts"]] == [0, 2]
    assert [each["id"] for each in answer["alerts"]] == [each["id"] for each in server.json("/api/snapshot")["alerts"]]


def test_api_lists_past_alerts_on_request(server: Server, alert: str) -> None:
    answer = server.json("/api/alerts?state=all&limit=1000")
    check(answer, server.json("/api/schema"), "Alerts")
    assert {each["id"] for each in answer["alerts"]} <= {each["id"] for each in answer["history"]}
    assert server.json("/api/alerts?state=resolved&since=9000000000")["history"] == []


@pytest.mark.parametrize("query", ["state=shut", "limit=3", "state=all&since=x", "x=1"])
def test_api_answers_400_to_an_invalid_parameter_and_names_the_allowed_values(server: Server, query: str) -> None:
    status, text = server.get(f"/api/alerts?{query}")
    assert status == 400
    assert "error" in text


def test_health_counts_open_alerts(server: Server, alert: str) -> None:
    assert server.health()["alerts"] == {"info": 0, "warning": 0, "critical": 2}


# ── Pages ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_page_shows_the_banner_and_the_count(server: Server, alert: str) -> None:
    for path in ("/", "/?layout=tiles", "/gpu/" + server.json("/api/snapshot")["gpus"][0]["uuid"], "/alerts"):
        html = server.get(path)[1]
        assert 'role="alert"' in html, path
        assert re.search(r'id="alerts-count"[^>]*>2<', html), path


def test_form_is_shown_only_to_users_who_can_use_it(server: Server, alert: str) -> None:
    viewer, operator = session(server, "viewer"), session(server, "operator")
    for path in ("/", "/alerts", f"/alerts/{alert}"):
        assert "csrfmiddlewaretoken" not in server.get(path)[1], path
        assert viewer.get(server.url + path).text.count("csrfmiddlewaretoken") == 1, path  # of the log-out button
        assert operator.get(server.url + path).text.count("csrfmiddlewaretoken") > 1, path
    assert "csrfmiddlewaretoken" not in operator.get(f"{server.url}/?kiosk=1").text


def test_event_shows_its_values_and_the_rule_as_it_was(server: Server, alert: str) -> None:
    html = of_page(server, alert)
    assert "utilization ≥ 0\u2009%" in html
    assert "Value when it fired" in html
    assert "Log in to acknowledge" in html


def test_unknown_event_is_404_with_a_link_back(server: Server) -> None:
    status, html = server.get(f"/alerts/{uuid4()}")
    assert status == 404
    assert "No such alert" in html
    assert 'href="/alerts"' in html


# ── Acknowledging ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_operator_acknowledges_with_a_note_and_returns_to_the_page_of_the_form(server: Server, alert: str) -> None:
    answer = post(session(server, "operator"), server, alert, next="/?layout=tiles", note=" The <b>batch</b> job ")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/?layout=tiles")
    html = of_page(server, alert)
    assert "Acknowledged by operator" in html
    assert "The &lt;b&gt;batch&lt;/b&gt; job<" in html


def test_open_pages_and_the_api_update_at_once(server: Server, alert: str) -> None:
    post(session(server, "operator"), server, alert)

    def followed() -> bool:
        found = [each for each in server.json("/api/alerts")["alerts"] if each["id"] == alert]
        return found[0]["acknowledged_by"] == "operator"

    wait_for(followed, "the snapshot to say who acknowledged")


def test_program_gets_json(server: Server, alert: str) -> None:
    operator = session(server, "operator")
    answer = post(operator, server, alert, "application/json")
    assert (answer.status_code, answer.json()) == (200, {"id": alert, "acknowledged_by": "operator"})
    again = post(operator, server, alert, "application/json")
    assert again.status_code == 409
    assert "acknowledged by operator" in again.json()["error"]


def test_second_operator_sees_who_acknowledged_first(server: Server, alert: str) -> None:
    operator = session(server, "operator")
    post(operator, server, alert, note="first")
    answer = post(operator, server, alert, note="second")
    assert answer.status_code == 409
    assert "was acknowledged by operator at" in answer.text
    assert "first" in of_page(server, alert)


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_user_without_the_permission_gets_403_with_a_way_to_get_it(server: Server, alert: str, accept: str) -> None:
    answer = post(session(server, "viewer"), server, alert, accept)
    assert answer.status_code == 403
    assert "You cannot acknowledge alerts" in answer.text
    assert "viewer lacks the permission" in answer.text
    assert "Not acknowledged." in of_page(server, alert)


def test_anonymous_user_goes_to_the_login_and_then_to_the_event(server: Server, alert: str) -> None:
    visitor = requests.Session()
    visitor.get(f"{server.url}/admin/login/")  # the CSRF cookie, which an expired session still has
    answer = post(visitor, server, alert)
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/login?next=%2Falerts%2F{alert}")
    assert post(visitor, server, alert, "application/json").status_code == 401


def test_forged_form_is_refused(server: Server, alert: str) -> None:
    operator = session(server, "operator")
    assert operator.post(f"{server.url}/alerts/{alert}/acknowledge", {"note": "x"}).status_code == 403
    assert "Not acknowledged." in of_page(server, alert)


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example/", "javascript:alert(1)", ""])
def test_acknowledging_redirects_only_to_pages_of_this_site(server: Server, alert: str, target: str) -> None:
    answer = post(session(server, "operator"), server, alert, next=target)
    assert answer.headers["Location"] == f"/alerts/{alert}"


def test_unknown_event_is_404_and_a_note_that_is_too_long_is_400(server: Server, alert: str) -> None:
    operator = session(server, "operator")
    assert post(operator, server, str(uuid4())).status_code == 404
    answer = post(operator, server, alert, note="x" * 1001)
    assert answer.status_code == 400
    assert "1001 characters; the limit is 1000" in answer.text
    assert operator.get(f"{server.url}/alerts/{alert}/acknowledge").url == f"{server.url}/alerts/{alert}"


# ── Fragments for htmx ────────────────────────────────────────────────────────────────────────────────────────────────

HTMX = {"HX-Request": "true"}


def test_htmx_gets_the_alert_history_without_the_page_around_it(server: Server, alert: str) -> None:
    answer = requests.get(f"{server.url}/alerts?severity=critical&state=firing", headers=HTMX)
    assert answer.text.lstrip().startswith('<section class="panel" id="history"')
    assert f'id="alert-{alert}"' in answer.text
    assert "HX-Request" in answer.headers["Vary"]
    assert f'id="alert-{alert}"' not in requests.get(f"{server.url}/alerts?state=resolved", headers=HTMX).text


def test_htmx_gets_the_form_and_acknowledges_with_it(server: Server, alert: str) -> None:
    operator, url = session(server, "operator"), f"{server.url}/alerts/{alert}/acknowledge"
    form = operator.get(url, headers=HTMX).text
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
    assert token is not None
    assert f'hx-post="/alerts/{alert}/acknowledge"' in form
    answer = operator.post(url, {"csrfmiddlewaretoken": token[1], "note": "known"}, headers=HTMX)
    assert (answer.status_code, answer.headers["HX-Trigger"]) == (204, "gpumon:acknowledged")
    assert "Acknowledged by operator" in of_page(server, alert)


def test_htmx_gets_the_form_again_with_the_problem_and_the_note(server: Server, alert: str) -> None:
    operator, url = session(server, "operator"), f"{server.url}/alerts/{alert}/acknowledge"
    token = cookie(operator, "csrf")[1]
    answer = operator.post(url, {"csrfmiddlewaretoken": token, "note": "x" * 1001}, headers=HTMX)
    assert answer.status_code == 400
    assert "<!doctype" not in answer.text
    assert "1001 characters; the limit is 1000" in answer.text
    assert "x" * 1001 in answer.text
    assert operator.get(f"{server.url}/alerts/{uuid4()}/acknowledge", headers=HTMX).status_code == 404
    assert session(server, "viewer").get(url, headers=HTMX).status_code == 403
    assert requests.get(url, headers=HTMX).status_code == 401


def test_htmx_gets_the_form_again_if_the_browser_has_logged_in_since(server: Server, alert: str) -> None:
    """The token had changed: 403, and the note was lost by the reload that was advised."""
    operator, url = session(server, "operator"), f"{server.url}/alerts/{alert}/acknowledge"
    answer = operator.post(url, {"csrfmiddlewaretoken": "o" * 32, "note": "a <long> note"}, headers=HTMX)
    assert answer.status_code == 403
    assert "<!doctype" not in answer.text
    assert "You have logged in since this form was opened" in answer.text
    assert ">a &lt;long&gt; note</textarea>" in answer.text
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', answer.text)
    assert token is not None
    assert operator.post(url, {"csrfmiddlewaretoken": token[1]}, headers=HTMX).status_code == 204


def test_form_of_a_page_is_shown_again_if_the_browser_has_logged_in_since(server: Server, alert: str) -> None:
    answer = post(session(server, "operator"), server, alert, csrfmiddlewaretoken="o" * 32, note="a long note")
    assert answer.status_code == 403
    assert ">a long note</textarea>" in answer.text
    anonymous = post(requests.Session(), server, alert, note="a long note")
    assert anonymous.status_code in (302, 403)
    assert "</textarea>" not in anonymous.text
