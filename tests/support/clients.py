"""Logged-in clients for tests, and the visible text of a page."""

from __future__ import annotations

import html
import re
from typing import Any

from django.contrib.auth.models import Permission, User
from django.test import Client


def holder_of(*codenames: str) -> Client:
    """A staff user with only these permissions."""
    user = User.objects.create_user("somebody", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return logged_in(user)


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def text(answer: Any, *, status: int = 200) -> str:
    """The text of the page, without tags; each run of white space is one space."""
    assert answer.status_code == status, answer
    plain = re.sub(r"<[^>]+>", " ", answer.content.decode()).replace("\u2009", " ")
    return re.sub(r"\s+", " ", html.unescape(plain))
