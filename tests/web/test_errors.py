"""Error pages: they look like the other pages, and link back to the dashboard."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

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


def _is_ours(answer: Any, status: int, title: str, words: str) -> None:
    page = answer.content.decode()
    assert f"<title>{title} · gpumon</title>" in page
    assert words in text(answer, status=status)
    assert '<a href="/">Back to dashboard</a>' in page
    assert not re.search("<style|style=", page), "the policy of the site lets no browser obey it"
