"""Error pages: they look like the other pages, and link back to the dashboard."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.db import InterfaceError, OperationalError, connection
from django.test import AsyncRequestFactory, Client, override_settings

from monitor.web.database_errors import unavailable
from monitor.web.pages import account
from tests.support.clients import text

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_root")]


@pytest.mark.parametrize(
    ("address", "status", "title", "words"),
    [
        ("/no/such/page", 404, "Page not found", "This page does not exist."),
        ("/admin/monitor/channel/", 403, "Not allowed", "You don't have permission to view this page."),
    ],
)
def test_error_page_says_why(address: str, status: int, title: str, words: str) -> None:
    client = Client()
    client.force_login(User.objects.create_user("mira", is_staff=True))
    _is_ours(client.get(address), status, title, words)


def test_form_without_a_csrf_token_is_refused_with_advice() -> None:
    answer = Client(enforce_csrf_checks=True).post("/login", {"username": "mira", "password": "x"})
    _is_ours(answer, 403, "Form expired", "Go back, reload the page and send the form again.")


@pytest.mark.parametrize("error", [OperationalError("database or disk is full"), InterfaceError("closed")])
def test_view_that_cannot_use_the_database_says_so_with_one_line_in_the_log(
    error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Regression: logging in on a full disk was "Server Error (500)" and a traceback."""

    def failing(*_: object) -> None:
        raise error

    monkeypatch.setattr(account.Login, "form_valid", failing)
    User.objects.create_user("mira", password="right-password")
    answer = Client(raise_request_exception=False).post("/login", {"username": "mira", "password": "right-password"})
    _is_ours(answer, 503, "Database unavailable", "Its log says why")
    assert f"POST /login failed: the database {connection.settings_dict['NAME']} is unusable: {error}" in caplog.text
    assert "Traceback" not in caplog.text


def test_session_that_cannot_be_saved_is_the_same_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions are saved after the view, by a middleware."""

    def failing(*_args: object, **_how: object) -> None:
        raise OperationalError("database or disk is full")

    client = Client(raise_request_exception=False)
    client.force_login(User.objects.create_user("mira"))
    monkeypatch.setattr(SessionStore, "save", failing)
    request = AsyncRequestFactory().get("/api/nothing")
    assert unavailable(request, OperationalError("full")).status_code == 503
    with override_settings(SESSION_SAVE_EVERY_REQUEST=True):
        _is_ours(client.get("/alerts"), 503, "Database unavailable", "Its log says why")


def test_other_errors_of_a_view_are_not_about_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> None:
        raise ValueError("a fault")

    monkeypatch.setattr(account.Login, "form_valid", failing)
    User.objects.create_user("mira", password="right-password")
    client = Client(raise_request_exception=False)
    assert client.post("/login", {"username": "mira", "password": "right-password"}).status_code == 500


def _is_ours(answer: Any, status: int, title: str, words: str) -> None:
    page = answer.content.decode()
    assert f"<title>{title} · gpumon</title>" in page
    assert words in text(answer, status=status)
    assert '<a href="/">Back to dashboard</a>' in page
    assert not re.search("<style|style=", page), "the policy of the site lets no browser obey it"
