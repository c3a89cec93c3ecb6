"""Users that a proxy names."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User

from monitor.access.backends import user_named

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss() -> User:
    return User.objects.create_superuser("boss")


def test_proxy_may_name_a_superuser_by_default(boss: User) -> None:
    assert user_named("boss") == boss


def test_proxy_can_be_forbidden_to_name_a_superuser(
    boss: User, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    config = django_settings.GPU_MONITOR
    settings.GPU_MONITOR = config.model_copy(update={"forbid_remote_superusers": True})
    assert [user_named("boss"), user_named("boss", may_create=False)] == [None, None]
    assert caplog.text.count("the proxy named the superuser boss, who has to log in here instead") == 1
    mira = user_named("mira")
    assert mira is not None
    assert user_named("mira") == mira
