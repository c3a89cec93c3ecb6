"""The last use of tokens, links and sessions: written in the background, batched, at most once a minute or day."""

from __future__ import annotations

import sqlite3
import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone

from monitor.access import tokens
from monitor.access.last_use import LastUse, Renewals, Uses, last_use
from monitor.models import ApiToken

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def after(**given: float) -> datetime:
    return NOW + timedelta(**given)


class Written:
    """Takes the batches in place of the database."""

    def __init__(self, *, failures: int = 0) -> None:
        self.batches: list[tuple[Uses, Renewals]] = []
        self.has_written = threading.Event()
        self._failures = failures

    def __call__(self, used: Uses, sessions: Renewals) -> None:
        if self._failures:
            self._failures -= 1
            raise OperationalError("database is locked")
        self.batches.append((used, sessions))
        self.has_written.set()


def test_use_of_a_token_is_written_at_most_once_a_minute() -> None:
    written = Written()
    uses = LastUse(written)
    token = ApiToken(pk=7)
    for seconds in (0, 30, 59.9, 60, 100):
        uses.used(token, after(seconds=seconds))
    uses.write_pending()
    token.last_used_at = after(seconds=60)  # as the next request reads it
    uses.used(token, after(seconds=119))
    uses.write_pending()
    assert written.batches == [({(ApiToken, 7): after(seconds=60)}, {})]


def test_session_is_renewed_at_most_once_a_day() -> None:
    written = Written()
    uses = LastUse(written)
    assert [uses.session_used("mine", after(hours=hours)) for hours in (0, 1, 23, 24, 25)] == [
        True,
        False,
        False,
        True,
        False,
    ]
    uses.write_pending()
    assert not uses.session_used("mine", after(hours=47))
    assert uses.session_used("mine", after(hours=48))
    assert written.batches == [({}, {"mine": after(hours=24)})]


def test_uses_are_kept_until_they_can_be_written_and_an_outage_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Regression: a full or read-only disk logged a line for each request with a token."""
    caplog.set_level("INFO")
    written = Written(failures=5)
    uses = LastUse(written)
    for number in range(5):
        uses.used(ApiToken(pk=number), after(minutes=number))
        assert not uses.write_pending()
    assert uses.write_pending()
    assert written.batches == [({(ApiToken, number): after(minutes=number) for number in range(5)}, {})]
    assert caplog.messages == [
        "cannot record the last use of tokens, links and sessions, trying again: database is locked",
        "the last use of tokens, links and sessions is recorded again",
    ]


def test_thread_writes_what_was_used_and_the_rest_when_it_stops() -> None:
    written = Written(failures=1)
    uses = LastUse(written, gather_seconds=0, retry_seconds=0)
    uses.start()
    uses.used(ApiToken(pk=1), NOW)
    assert written.has_written.wait(10)
    uses.used(ApiToken(pk=2), NOW)
    uses.stop()
    assert [pk for used, _ in written.batches for _, pk in used] == [1, 2]


@pytest.mark.django_db(transaction=True)
def test_locked_database_delays_neither_the_request_nor_the_writer() -> None:
    """Regression: each request with a token waited for the write lock, for up to 20 s."""
    made = tokens.make(owner=User.objects.create_user("mira"), name="prom", scopes=["read"])
    uses = LastUse()
    holder = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
    try:
        holder.execute("BEGIN IMMEDIATE")
        found = tokens.find(made.secret, NOW)
        assert isinstance(found, ApiToken)
        uses.used(found, NOW)
        assert not uses.write_pending()
        holder.execute("ROLLBACK")
    finally:
        holder.close()
    assert uses.write_pending()
    assert ApiToken.objects.get().last_used_at == NOW


@pytest.mark.django_db(transaction=True)
def test_page_renews_its_login_and_the_cookie_once() -> None:
    """A wall screen that is always on was logged out after 14 days."""
    user = User.objects.create_user("mira", is_staff=True)
    client = Client()
    client.force_login(user)
    soon = timezone.now() + timedelta(days=1)
    Session.objects.update(expire_date=soon)
    answers = [client.get("/account/password") for _ in range(2)]
    assert [settings.SESSION_COOKIE_NAME in answer.cookies for answer in answers] == [True, False]
    assert int(answers[0].cookies[settings.SESSION_COOKIE_NAME]["max-age"]) == 14 * 24 * 3600
    assert last_use().write_pending()
    assert Session.objects.get().expire_date > soon + timedelta(days=12)


@pytest.mark.django_db(transaction=True)
def test_logout_and_an_ended_session_are_not_renewed() -> None:
    client = Client()
    client.force_login(User.objects.create_user("mira"))
    answer = client.post("/logout")
    assert answer.cookies[settings.SESSION_COOKIE_NAME]["max-age"] == 0
    last_use().write_pending()
    assert not Session.objects.exists()
    ended = timezone.now() - timedelta(seconds=1)
    client.force_login(User.objects.get())
    Session.objects.update(expire_date=ended)
    client.get("/account/password")
    last_use().write_pending()
    assert Session.objects.get().expire_date == ended
