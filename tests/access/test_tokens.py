"""API tokens: created, found by their hash, refused with a reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User

from monitor.access import tokens
from monitor.models import ApiToken

pytestmark = pytest.mark.django_db
NOW = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def owner() -> User:
    return User.objects.create_user("mira")


def test_secret_is_256_random_bits_and_only_its_hash_is_stored(owner: User) -> None:
    made = tokens.make(owner=owner, name="prom", scopes=["read"])
    assert made.secret.startswith("gpumon_")
    assert len(made.secret) == len("gpumon_") + 43
    kept = str(ApiToken.objects.filter(pk=made.token.pk).values().get())
    assert made.secret not in kept
    assert made.secret[20:] not in kept
    assert made.secret.startswith(made.token.prefix)
    assert len(made.token.prefix) == len("gpumon_") + 6


def test_token_is_found_with_its_owner_and_scopes(owner: User) -> None:
    made = tokens.make(owner=owner, name="prom", scopes=["acknowledge", "read", "nonsense"])
    found = tokens.find(made.secret, NOW)
    assert isinstance(found, ApiToken)
    assert (found.owner, found.scopes) == (owner, ["read", "acknowledge"])


@pytest.mark.parametrize("change", ["", "x", "gpumon_", "gpumon_x", "upper", "longer", "\0", "ü"])
def test_any_other_string_is_an_unknown_token(owner: User, change: str) -> None:
    secret = tokens.make(owner=owner, name="prom", scopes=["read"]).secret
    given = {"upper": secret.upper(), "longer": secret + "x" * 500}.get(change, change)
    assert tokens.find(given, NOW) == "unknown"


def test_revoked_expired_or_disabled_token_is_refused_with_the_reason(owner: User) -> None:
    made = tokens.make(owner=owner, name="prom", scopes=["read"], expires_at=NOW)
    assert tokens.find(made.secret, NOW - timedelta(seconds=1)) == made.token
    assert tokens.find(made.secret, NOW) == "expired"
    ApiToken.objects.update(revoked_at=NOW)
    assert tokens.find(made.secret, NOW - timedelta(seconds=1)) == "revoked"
    ApiToken.objects.update(revoked_at=None)
    User.objects.update(is_active=False)
    assert tokens.find(made.secret, NOW - timedelta(seconds=1)) == "disabled"
