"""Requests change threads for views and databases alone: each change costs a fifth of a millisecond."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import pytest
from asgiref.sync import SyncToAsync
from django.contrib.auth.models import User
from django.test import AsyncClient, Client
from django.urls import reverse

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_root")]


@pytest.fixture
def in_threads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The functions that were called in a thread."""
    called: list[str] = []
    call = SyncToAsync.__call__

    async def counted(self: SyncToAsync[..., Any], *args: Any, **kwargs: Any) -> Any:
        called.append(self.func.__qualname__)
        return await call(self, *args, **kwargs)

    monkeypatch.setattr(SyncToAsync, "__call__", counted)
    return called


def test_small_request_changes_threads_for_signals_alone(in_threads: list[str]) -> None:
    answer = asyncio.run(AsyncClient(headers={"host": "localhost"}).get("/api/schema"))
    assert answer.status_code == 200
    assert set(in_threads) <= {"Signal.asend.<locals>.sync_send", "HttpResponseBase.close"}


def test_changed_session_and_messages_are_saved(admin_user: User, in_threads: list[str]) -> None:
    client = Client()
    client.force_login(admin_user)
    page = reverse("admin:auth_group_add")
    answer = client.post(page, {"name": "night shift", "permissions": []}, follow=True)
    assert "MessageMiddleware.process_response" in in_threads
    assert "SessionMiddleware.process_response" in in_threads
    again = client.get(reverse("admin:auth_group_changelist"))
    assert b"was added successfully" in answer.content
    assert b"was added successfully" not in again.content, "a message is shown once"


def test_pages_are_compressed_for_browsers_and_json_is_not() -> None:
    client = Client(headers={"accept-encoding": "gzip"})
    page = client.get("/login")
    assert page.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in page.headers["Vary"]
    assert int(page.headers["Content-Length"]) == len(page.content)
    assert gzip.decompress(page.content).rstrip().endswith(b"</html>")
    assert "Content-Encoding" not in Client().get("/login").headers
    assert "Content-Encoding" not in client.get("/api/schema").headers
