"""What tests of the admin share: who asks, and what a reader sees of the answer."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import UTC
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from monitor.models import AlertRule
from tests.support.static_root import static_root

__all__ = ["static_root"]  # pages name their static files by hashes, so these have to be collected first


@pytest.fixture(autouse=True)
def in_utc() -> Iterator[None]:
    with timezone.override(UTC):
        yield


@pytest.fixture
def no_rules(db: None) -> None:
    """Without the rules that the first migration brings."""
    AlertRule.objects.all().delete()


@pytest.fixture
def root(db: None) -> Client:
    """An administrator of everything."""
    return logged_in(User.objects.create_superuser("root"))


def holder_of(*codenames: str) -> Client:
    """Somebody with these permissions and no other."""
    user = User.objects.create_user("somebody", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return logged_in(user)


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def text(answer: Any) -> str:
    """What a reader sees of it, without tags and thin spaces."""
    assert answer.status_code == 200, answer
    plain = re.sub(r"<[^>]+>", " ", answer.content.decode()).replace("\u2009", " ")
    return re.sub(r"\s+", " ", html.unescape(plain))
