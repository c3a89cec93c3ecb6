"""Access tasks at startup, except the first administrator."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import OperationalError
from django.utils import timezone

from monitor.access.startup import forget_old_sessions


@pytest.mark.django_db
def test_only_expired_sessions_are_deleted() -> None:
    """Every login creates a session, and no other code deletes expired ones."""
    stores = [SessionStore(), SessionStore()]
    for store, days in zip(stores, (-1, 1), strict=True):
        store.create()
        Session.objects.filter(pk=store.session_key).update(expire_date=timezone.now() + timedelta(days=days))
    forget_old_sessions()
    assert [session.pk for session in Session.objects.all()] == [stores[1].session_key]


def test_unavailable_database_does_not_block_startup(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(_store: type[SessionStore]) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr(SessionStore, "clear_expired", classmethod(away))
    forget_old_sessions()
    assert "cannot delete expired sessions: database is locked" in caplog.text
