"""API tokens in the admin: the secret is shown once, and users see only their own tokens."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone

from monitor.access import tokens
from monitor.models import ApiToken
from tests.support.clients import logged_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_root")]
LIST = "/admin/monitor/apitoken/"


def person(name: str, group: str) -> User:
    user = User.objects.create_user(name, is_staff=True)
    user.groups.add(Group.objects.get(name=group))
    return user


@pytest.fixture
def mira() -> User:
    return person("mira", "viewers")


@pytest.fixture
def client(mira: User) -> Client:
    return logged_in(mira)


def make(client: Client, **given: object) -> str:
    answer = client.post(
        f"{LIST}add/", {"name": "prom", "scopes": ["read", "acknowledge"], "lasts_days": "90", **given}
    )
    return answer.content.decode()


def test_secret_is_in_the_response_and_nowhere_afterwards(client: Client, mira: User) -> None:
    found = re.search(r"<code data-token-secret>(gpumon_[\w-]{43})</code>", make(client))
    assert found is not None
    token = ApiToken.objects.get()
    assert tokens.find(found[1], timezone.now()) == token
    assert (token.owner, token.name, token.scopes) == (mira, "prom", ["read", "acknowledge"])
    assert token.expires_at is not None
    assert 89 <= (token.expires_at - timezone.now()).days <= 90
    assert "no-store" in client.get(LIST)["Cache-Control"]
    for path in (LIST, f"{LIST}{token.pk}/change/", f"{LIST}{token.pk}/history/", "/admin/"):
        assert found[1] not in client.get(path).content.decode()
        assert token.digest not in client.get(path).content.decode()


def test_expiry_is_shown_in_the_server_time_zone(client: Client) -> None:
    """Regression: it was labelled UTC in every time zone."""
    with timezone.override("Asia/Tokyo"):
        found = re.search(
            r"expires on <time [^>]*>(\d+ \w+ \d+, [\d:]+ \w+)</time>\.\s+This is its secret", make(client)
        )
        assert found is not None
        expires_at = ApiToken.objects.get().expires_at
        assert expires_at is not None
        assert found[1] == f"{timezone.localtime(expires_at):%-d %b %Y, %H:%M:%S JST}"


def test_token_can_be_valid_until_revoked(client: Client) -> None:
    assert "never expires" in make(client, lasts_days="")
    assert ApiToken.objects.get().expires_at is None


@pytest.mark.parametrize("given", [{"scopes": []}, {"scopes": ["everything"]}, {"lasts_days": "9999"}, {"name": ""}])
def test_invalid_input_creates_no_token(client: Client, given: dict[str, object]) -> None:
    assert "errorlist" in make(client, **given)
    assert not ApiToken.objects.exists()


def test_reloading_the_page_creates_no_second_token(client: Client) -> None:
    make(client)
    assert "You already have a token with this name" in make(client)
    assert ApiToken.objects.count() == 1


def test_user_cannot_create_a_token_for_another_user(client: Client, mira: User) -> None:
    other = person("ana", "operators")
    make(client, owner=other.pk)
    assert ApiToken.objects.get().owner == mira


def test_only_administrators_see_and_revoke_tokens_of_others(client: Client) -> None:
    theirs = tokens.make(owner=person("ana", "operators"), name="hers", scopes=["read"]).token
    assert "hers" not in client.get(LIST).content.decode()
    assert client.get(f"{LIST}{theirs.pk}/change/").status_code == 302
    client.post(f"{LIST}{theirs.pk}/revoke/")
    client.post(LIST, {"action": "revoke_chosen", "_selected_action": [theirs.pk]})
    theirs.refresh_from_db()
    assert theirs.revoked_at is None

    boss = logged_in(person("boss", "administrators"))
    assert "hers" in boss.get(LIST).content.decode()
    assert "Revoke" in boss.get(f"{LIST}{theirs.pk}/change/").content.decode()
    assert boss.post(f"{LIST}{theirs.pk}/revoke/")["Location"] == LIST
    theirs.refresh_from_db()
    assert theirs.revoked_at is not None
    page = boss.get(f"{LIST}{theirs.pk}/change/").content.decode()
    assert 'value="Revoke"' not in page
    assert ">revoked<" in page


def test_user_revokes_own_tokens_in_the_list(client: Client) -> None:
    make(client)
    token = ApiToken.objects.get()
    client.post(LIST, {"action": "revoke_chosen", "_selected_action": [token.pk]})
    token.refresh_from_db()
    assert token.revoked_at is not None
    history = client.get(f"{LIST}{token.pk}/history/").content.decode()
    assert "Revoked." in history


def test_token_cannot_be_changed(client: Client) -> None:
    make(client)
    token = ApiToken.objects.get()
    assert client.post(f"{LIST}{token.pk}/change/", {"name": "other", "scopes": ["acknowledge"]}).status_code == 403
    assert client.get(f"{LIST}{token.pk}/revoke/").status_code == 405
