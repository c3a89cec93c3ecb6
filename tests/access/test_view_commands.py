"""The permission to view command lines: who has it, and what ends with it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import Group, Permission, User

from monitor.access import tokens
from monitor.access.identity import Identity, by_user, ended
from monitor.access.policy import may_view_commands

pytestmark = pytest.mark.django_db
NOW = datetime(2030, 1, 1, tzinfo=UTC)


def person(name: str, group: str = "", **given: bool) -> User:
    user = User.objects.create_user(name, **given)
    if group:
        user.groups.add(Group.objects.get(name=group))
    return User.objects.get(pk=user.pk)


def allow(user: User) -> None:
    user.user_permissions.add(Permission.objects.get(codename="view_commands"))


@pytest.mark.parametrize(
    ("group", "can"), [("viewers", False), ("operators", False), ("administrators", True), ("", False)]
)
def test_administrators_have_it(group: str, can: bool) -> None:
    assert may_view_commands(person("ana", group)) is can


def test_superusers_have_it_and_others_can_be_given_it() -> None:
    assert may_view_commands(User.objects.create_superuser("root"))
    viewer = person("ana", "viewers")
    allow(viewer)
    assert may_view_commands(User.objects.get(pk=viewer.pk))
    assert not may_view_commands(User(username="off", is_active=False, is_superuser=True))


def test_token_needs_the_scope_and_its_owner_the_permission() -> None:
    manager, viewer = person("mia", "administrators"), person("vic", "viewers")
    made = {
        (owner.username, scope): tokens.make(owner=owner, name=scope, scopes=["read", scope]).token
        for owner in (manager, viewer)
        for scope in ("commands", "acknowledge")
    }
    assert [key for key, token in made.items() if tokens.sees_commands(token)] == [("mia", "commands")]


def test_socket_that_receives_command_lines_ends_when_the_permission_is_withdrawn() -> None:
    viewer = person("ana", "viewers")
    allow(viewer)
    before = by_user(User.objects.get(pk=viewer.pk))
    assert before == Identity(viewer.pk, sees_commands=True)
    assert ended([before], NOW) == {}
    viewer.user_permissions.clear()
    assert ended([before, Identity(viewer.pk)], NOW) == {before: "the permission to view command lines was withdrawn"}
