"""Fixtures of the admin tests: time zone, rules and administrator."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from monitor.models import AlertRule
from tests.support.clients import logged_in


@pytest.fixture(autouse=True)
def in_utc() -> Iterator[None]:
    with timezone.override(UTC):
        yield


@pytest.fixture
def no_rules(db: None) -> None:
    """Delete the rules of the first migration."""
    AlertRule.objects.all().delete()


@pytest.fixture
def root(db: None) -> Client:
    """A superuser."""
    return logged_in(User.objects.create_superuser("root"))
