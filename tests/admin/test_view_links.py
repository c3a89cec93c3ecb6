"""Read-only links in the admin: administrators create one, read its address on its page, and revoke it."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone

from monitor.access import view_links
from monitor.models import ViewLink
from tests.support.clients import logged_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_root")]
LIST = "/admin/monitor/viewlink/"


@pytest.fixture
def boss() -> Client:
    """In the group of administrators."""
    user = User.objects.create_user("boss", is_staff=True)
    user.groups.add(Group.objects.get(name="administrators"))
    return logged_in(user)


def create(client: Client, **given: str) -> str:
    """The page that follows."""
    answer = client.post(f"{LIST}add/", {"name": "wall screen", "lasts_days": "7", **given}, follow=True)
    return answer.content.decode()


def test_page_of_a_new_link_shows_its_address(boss: Client) -> None:
    found = re.search(r"<code data-link-address>http://testserver(/view/[^<]*)</code>", create(boss))
    link = ViewLink.objects.get()
    assert found is not None
    assert found[1] == view_links.path_of(link)
    assert link.created_by is not None
    assert link.created_by.get_username() == "boss"
    assert timedelta(days=6.9) < link.expires_at - timezone.now() <= timedelta(days=7)
    listed = boss.get(LIST).content.decode()
    assert "wall screen" in listed
    assert "boss" in listed
    assert link.key not in listed


def test_revoked_link_shows_no_address_and_its_name_is_free_again(boss: Client) -> None:
    create(boss)
    link = ViewLink.objects.get()
    assert "There is a link with this name" in create(boss)
    assert boss.post(f"{LIST}{link.pk}/revoke/")["Location"] == LIST
    link.refresh_from_db()
    assert link.revoked_at is not None
    page = boss.get(f"{LIST}{link.pk}/change/").content.decode()
    assert link.key not in page
    assert 'value="Revoke"' not in page
    assert "data-link-address" in create(boss)


@pytest.mark.parametrize("given", [{"lasts_days": ""}, {"lasts_days": "9999"}, {"name": ""}])
def test_link_always_has_a_name_and_an_end(boss: Client, given: dict[str, str]) -> None:
    assert "errorlist" in create(boss, **given)
    assert not ViewLink.objects.exists()


def test_others_neither_see_nor_create_links(boss: Client) -> None:
    create(boss)
    user = User.objects.create_user("ana", is_staff=True)
    user.groups.add(Group.objects.get(name="operators"))
    link = ViewLink.objects.get()
    for path in ("", "add/", f"{link.pk}/change/"):
        assert logged_in(user).get(LIST + path).status_code == 403
    assert logged_in(user).post(f"{LIST}{link.pk}/revoke/").status_code == 403
