"""What /api/config shows of the installation, and to whom."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group, User

from monitor.access.policy import Access
from tests.support.clients import logged_in
from tests.support.runtimes import current_runtime

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_root")]
INTERNAL = {
    "ADMIN_PASSWORD_FILE",
    "ADMIN_USER",
    "CONTAINER_SOCKET",
    "DATA_DIR",
    "HUB",
    "HUB_CODE_FILE",
    "JOB_MAPPING_DIR",
    "REMOTE_USER_HEADER",
    "REPLAY_FILE",
    "STATIC_DIR",
    "TRUSTED_PROXIES",
}
SECRET = {"ADMIN_PASSWORD", "DATABASE_URL", "HEARTBEAT_URL", "HUB_CODE", "REDIS_URL", "SECRET_KEY"}


@pytest.fixture(autouse=True)
def running() -> Iterator[None]:
    with current_runtime():
        yield


def hidden(client: Any) -> set[str]:
    listed = client.get("/api/config").json()["settings"]
    found = {each["name"].removeprefix("GPU_MONITOR_"): each for each in listed if each["is_secret"]}
    assert all(each["value"] is None for each in found.values())
    return set(found)


@pytest.mark.parametrize(
    ("group", "is_exposed", "also_hidden"),
    [
        ("viewers", True, INTERNAL),
        ("operators", True, INTERNAL),
        ("administrators", True, set()),
        ("viewers", False, set()),
    ],
)
def test_only_administrators_see_the_installation(
    settings: Any, group: str, is_exposed: bool, also_hidden: set[str]
) -> None:
    settings.ACCESS = Access("everybody", is_exposed=is_exposed, shows_details=False)
    user = User.objects.create_user("mira")
    user.groups.add(Group.objects.get(name=group))
    assert hidden(logged_in(user)) == SECRET | also_hidden
