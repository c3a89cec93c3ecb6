"""Login and logout: redirects, the cost of guessing, and what a token can do instead of a person."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.test import Client

from monitor.access.policy import Access
from monitor.access.rate_limits.throttle import FORMS_PER_MINUTE, WRONG_PER_NAME
from tests.support.clients import text
from tests.support.runtimes import current_runtime

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_root", "everybody_logs_in")]
PASSWORD = "a staple of horses"


@pytest.fixture
def everybody_logs_in(settings: Any) -> Iterator[None]:
    settings.ACCESS = Access("everybody", is_exposed=True, shows_details=False)
    with current_runtime():
        yield


@pytest.fixture
def mira() -> User:
    return User.objects.create_user("mira", password=PASSWORD)


def log_in(
    client: Client, password: str = PASSWORD, *, path: str = "/login", address: str = "127.0.0.1", **given: str
) -> Any:
    return client.post(path, {"username": "mira", "password": password, **given}, REMOTE_ADDR=address)


def test_page_redirects_to_the_login_and_back(client: Client, mira: User) -> None:
    sent = client.get("/alerts?severity=critical")
    assert sent["Location"] == "/login?next=/alerts%3Fseverity%3Dcritical"
    assert log_in(client, next="/alerts?severity=critical")["Location"] == "/alerts?severity=critical"


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"Referer": "http://testserver/alerts?severity=critical"}, "/alerts%3Fseverity%3Dcritical"),
        ({"Referer": "https://evil.example/alerts"}, "/"),
        ({"Referer": "http://[::1"}, "/"),
        ({}, "/"),
    ],
)
@pytest.mark.parametrize("address", ["/logout", "/alerts/00000000-0000-4000-8000-000000000001/acknowledge"])
def test_form_sent_after_the_login_expired_leads_back_to_its_page(
    client: Client, address: str, given: dict[str, str], path: str
) -> None:
    """The form's own address answers only POST: after a new login, users once got an empty page with status 405."""
    assert client.post(address, headers=given)["Location"] == f"/login?next={path}"


def test_script_with_an_expired_login_gets_401_and_no_redirect(client: Client) -> None:
    """Scripts once took the login page, with status 200, for an acknowledgement."""
    address = "/alerts/00000000-0000-4000-8000-000000000001/acknowledge"
    answer = client.post(address, headers={"Accept": "application/json"})
    assert answer.status_code == 401
    assert "Log in" in answer.json()["error"]


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", ""]
)
def test_login_redirects_to_no_other_site(client: Client, mira: User, target: str) -> None:
    assert log_in(client, next=target)["Location"] == "/"


def test_login_page_reveals_nothing_about_the_machine(client: Client) -> None:
    page = client.get("/login").content.decode()
    assert "<title>Log in · gpumon</title>" in page
    without_secret = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", page)  # it could contain any name by chance
    assert not re.search(rf"\b{re.escape(socket.gethostname())}\b", without_secret)


@pytest.mark.parametrize("path", ["/login", "/admin/login/"])
def test_right_password_is_throttled_too_after_five_wrong_ones(client: Client, mira: User, path: str) -> None:
    for _ in range(WRONG_PER_NAME):
        answer = log_in(client, "wrong", path=path)
        assert answer.status_code == 200
        assert b"Wrong username or password" in answer.content
    refused = log_in(client, path=path)
    assert (refused.status_code, int(refused["Retry-After"]) > 60) == (429, True)
    assert b"Too many wrong passwords. Try again in 3 minutes." in refused.content
    assert "_auth_user_id" not in client.session
    assert log_in(client, address="10.0.0.9").status_code == 302, "another address does not wait"


def test_unknown_name_gets_the_same_answer_as_a_wrong_password(client: Client, mira: User) -> None:
    there = log_in(client, "wrong").content.decode()
    not_there = client.post("/login", {"username": "nobody", "password": "wrong"}).content.decode()
    assert there.split("<form")[0] == not_there.split("<form")[0]


def test_login_changes_the_session_key(client: Client, mira: User) -> None:
    before = client.session
    before["x"] = 1
    before.save()
    log_in(client)
    assert client.session.session_key != before.session_key


def test_logout_requires_a_form_with_a_csrf_token(mira: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(mira)
    assert client.get("/logout").status_code == 405
    assert client.post("/logout").status_code == 403
    assert "_auth_user_id" in client.session


def test_logout_redirects_to_the_login(client: Client, mira: User) -> None:
    client.force_login(mira)
    assert client.post("/logout")["Location"] == "/login"
    assert "_auth_user_id" not in client.session


def test_new_password_is_validated_and_ends_other_sessions(client: Client, mira: User) -> None:
    other = Client()
    for each in (client, other):
        each.force_login(mira)
    given = {"old_password": PASSWORD, "new_password1": "short", "new_password2": "short"}
    assert b"too short" in client.post("/account/password", given).content
    given |= {"new_password1": "another staple", "new_password2": "another staple"}
    assert client.post("/account/password", given)["Location"] == "/account/password"
    assert b"Your password was changed" in client.get("/account/password").content
    assert other.get("/account/password")["Location"].startswith("/login")


@pytest.mark.parametrize("path", ["/account/password", "/admin/password_change/"])
def test_old_password_is_throttled_like_a_login(client: Client, mira: User, path: str) -> None:
    mira.is_staff = True
    mira.save()
    client.force_login(mira)
    weak = {"old_password": PASSWORD, "new_password1": "short", "new_password2": "short"}
    for _ in range(WRONG_PER_NAME + 1):
        assert client.post(path, weak).status_code == 200, "a new password that is not good enough is no guess"
    for _ in range(WRONG_PER_NAME):
        assert b"old password was entered incorrectly" in client.post(path, {**weak, "old_password": "guess"}).content
    refused = client.post(path, weak)
    assert (refused.status_code, int(refused["Retry-After"]) > 60) == (429, True)
    assert b"Too many wrong passwords. Try again in 3 minutes." in refused.content
    assert b"too short" not in refused.content, "nothing of it was looked at"


def test_user_without_admin_access_sees_why_and_is_not_redirected_again(client: Client, mira: User) -> None:
    client.force_login(mira)
    sent = client.get("/admin/")
    assert sent["Location"] == "/admin/login/?next=/admin/"
    told = text(client.get(sent["Location"]))
    assert "You are logged in as mira. If you were sent here, that account has no access to the page" in told


def test_password_forms_are_limited_per_address(client: Client) -> None:
    far = Client(REMOTE_ADDR="10.0.0.9")
    for number in range(FORMS_PER_MINUTE):
        far.post("/setup/x", {"n": number})
    assert far.post("/setup/x").status_code == 429
    assert far.post("/login").status_code == 429
    assert far.get("/login").status_code == 200
    assert far.post("/setup/x", REMOTE_ADDR="10.0.0.10").status_code == 404
    for _ in range(FORMS_PER_MINUTE + 1):
        assert client.post("/setup/x").status_code == 404, "the host itself has no limit"


def test_api_is_limited_per_address_and_says_when_to_retry(settings: Any) -> None:
    settings.GPU_MONITOR = settings.GPU_MONITOR.model_copy(update={"api_requests_per_minute": 10})
    far = Client(REMOTE_ADDR="2001:db8::1")
    assert {far.get("/api/schema").status_code for _ in range(10)} == {401}
    answer = far.get("/api/schema")
    assert answer.status_code == 429
    assert 1 <= int(answer["Retry-After"]) <= 6
    assert answer.json()["error"].startswith("Too many requests from this address")
    assert answer["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/login", "/admin/login/"])
@pytest.mark.parametrize(("to", "led"), [("/alerts?a=b", "/alerts?a=b"), ("//evil.example", "/"), ("", "/")])
def test_old_login_form_of_a_logged_in_user_leads_on(mira: User, path: str, to: str, led: str) -> None:
    """The other tab's form, after logging in in the first: it was refused, and `next` was lost."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(mira)
    assert log_in(client, "whatever", path=path, next=to)["Location"] == led


def test_old_login_form_of_nobody_is_refused(mira: User) -> None:
    assert log_in(Client(enforce_csrf_checks=True), next="/alerts").status_code == 403


def test_page_that_asks_why_it_has_no_socket_is_told_of_an_ended_login(client: Client) -> None:
    assert client.post("/ws/dashboard?view=").status_code == 401


@pytest.mark.parametrize("target", ["alerts", "no-view", "Nⱹ\x04", "/alerts"])
def test_login_form_of_an_old_tab_leads_on_whatever_its_target_is(mira: User, target: str) -> None:
    """Such a target was looked up as the name of a view: error 500."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(mira)
    answer = client.put(f"/login?{urlencode({'next': target})}")
    assert answer.status_code in (302, 403)
