"""Open sockets end when their session or token is no longer valid."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import InterfaceError, OperationalError
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from monitor.access import tokens
from monitor.access.identity import Identity, by_session, by_token, ended
from monitor.access.session_watch import SessionWatch
from monitor.access.signals import watch_access_changes
from monitor.live.admission import AdmittedSocket

NOW = datetime(2030, 1, 1, tzinfo=UTC)
PASSWORD = "a staple of horses"


@pytest.fixture
def user(db: None) -> User:
    return User.objects.create_user("mira", password=PASSWORD)


def session_of(user: User) -> str:
    client = Client()
    client.force_login(user)
    key = client.session.session_key
    assert key
    return key


def identity_of(user: User) -> Identity:
    found = by_session(session_of(user))
    assert found is not None
    return found


def test_session_identifies_its_user(user: User) -> None:
    assert identity_of(user).user_id == user.pk
    assert by_session("nothing") is None
    nobody = SessionStore()
    nobody.create()
    assert by_session(nobody.session_key or "") is None
    key = session_of(user)
    User.objects.update(is_active=False)
    assert by_session(key) is None


def test_lookup_of_a_session_writes_nothing(user: User, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    """Regression: Django deletes a session whose password has changed, and waits for the write lock to do so."""
    key = session_of(user)
    user.set_password("another staple")
    user.save()
    with django_assert_num_queries(2) as queries:
        assert by_session(key) is None
    assert {query["sql"].split()[0] for query in queries.captured_queries} == {"SELECT"}


def test_token_with_the_scope_identifies_its_owner(user: User) -> None:
    made = tokens.make(owner=user, name="a", scopes=["read"])
    assert by_token(made.secret, "read", NOW) == Identity(user.pk, token_id=made.token.pk)
    assert "scope 'metrics'" in str(by_token(made.secret, "metrics", NOW))
    assert by_token("gpumon_x", "read", NOW) == "The token is not known."


def test_each_invalid_identity_has_its_reason(user: User, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    others = {name: User.objects.create_user(name, password=PASSWORD) for name in ("disabled", "changed", "gone")}
    given = {name: identity_of(other) for name, other in others.items()}
    stays, out, late = identity_of(user), identity_of(user), identity_of(user)
    made = {name: tokens.make(owner=user, name=name, scopes=["read"]).token for name in ("good", "revoked", "deleted")}
    by = {name: Identity(user.pk, token_id=token.pk) for name, token in made.items()}
    proxied, proxied_out = Identity(user.pk), Identity(others["disabled"].pk)
    every = [stays, out, late, *given.values(), *by.values(), proxied, proxied_out]
    assert ended(every, timezone.now()) == {}

    Session.objects.filter(session_key=out.session_key).delete()
    Session.objects.filter(session_key=late.session_key).update(expire_date=timezone.now() - timedelta(seconds=1))
    User.objects.filter(username="disabled").update(is_active=False)
    others["changed"].set_password("another staple")
    others["changed"].save()
    others["gone"].delete()
    made["revoked"].revoked_at = timezone.now()
    made["revoked"].save()
    made["deleted"].delete()
    with django_assert_num_queries(3):
        over = ended(every, timezone.now())
    assert over == {
        out: "logged out",
        late: "logged out",
        given["disabled"]: "the account is disabled",
        proxied_out: "the account is disabled",
        given["changed"]: "the password was changed",
        given["gone"]: "the account is disabled",
        by["revoked"]: "The token has been revoked.",
        by["deleted"]: "The token is not known.",
    }
    assert all(len(reason.encode()) <= 123 for reason in over.values())


ONE, OTHER = Identity(1, "a", "x"), Identity(2, token_id=3)


def test_one_check_covers_all_sockets_and_closes_invalid_ones() -> None:
    checks: list[set[Identity]] = []

    def find_ended(identities: Collection[Identity]) -> dict[Identity, str]:
        checks.append(set(identities))
        return {ONE: "logged out"}

    async def scene() -> tuple[str, bool]:
        watch = SessionWatch(find_ended, every_seconds=0.01)
        first, same, other = (AdmittedSocket(sees_details=True) for _ in range(3))
        for identity, socket in ((ONE, first), (ONE, same), (OTHER, other)):
            watch.add(identity, socket)
        reason = await asyncio.wait_for(first.ended, 10)
        assert same.ended.result() == reason
        for identity, socket in ((ONE, first), (ONE, same), (OTHER, other)):
            watch.remove(identity, socket)
        return reason, other.ended.done()

    assert asyncio.run(scene()) == ("logged out", False)
    assert checks[0] == {ONE, OTHER}


def test_change_is_checked_at_once() -> None:
    async def scene() -> str:
        watch = SessionWatch(lambda _: {ONE: "logged out"}, every_seconds=3600)
        socket = AdmittedSocket(sees_details=True)
        watch.add(ONE, socket)
        await asyncio.get_running_loop().run_in_executor(None, watch.wake)
        reason = await asyncio.wait_for(socket.ended, 10)
        watch.remove(ONE, socket)
        return reason

    assert asyncio.run(scene()) == "logged out"


@pytest.mark.parametrize(
    "error", [OperationalError("database is locked"), InterfaceError("closed"), ValueError("a fault")]
)
def test_failed_check_closes_no_socket_is_logged_once_and_is_repeated(
    caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    """Regression: an unexpected error ended the checks, so sockets of ended sessions stayed open."""
    checks = 0

    def find_ended(_: Collection[Identity]) -> dict[Identity, str]:
        nonlocal checks
        checks += 1
        if checks < 4:
            raise error
        return {ONE: "logged out"}

    async def scene() -> None:
        watch = SessionWatch(find_ended, every_seconds=0.001)
        socket = AdmittedSocket(sees_details=True)
        watch.add(ONE, socket)
        await asyncio.wait_for(socket.ended, 10)
        watch.remove(ONE, socket)

    asyncio.run(scene())
    assert checks == 4
    assert caplog.text.count(f"cannot check the sessions of open sockets: {error}") == 1
    assert ("Traceback" in caplog.text) is not isinstance(error, OperationalError)


def test_checks_run_only_while_sockets_are_open() -> None:
    async def scene() -> int:
        watch = SessionWatch(lambda _: {}, every_seconds=0.001)
        socket = AdmittedSocket(sees_details=True)
        watch.add(ONE, socket)
        watch.remove(ONE, socket)
        watch.wake()
        await asyncio.sleep(0)
        return len(asyncio.all_tasks())

    assert asyncio.run(scene()) == 1, "only the scene itself"


@pytest.mark.django_db(transaction=True)
def test_logging_out_revoking_and_disabling_are_changes_while_using_a_token_is_not() -> None:
    told: list[None] = []
    watch_access_changes(lambda: told.append(None))
    user = User.objects.create_user("mira", password=PASSWORD)
    client = Client()
    client.force_login(user)
    told.clear()  # the login ended the previous session
    made = tokens.make(owner=user, name="a", scopes=["read"])
    tokens.find(made.secret, timezone.now())
    assert told == []
    client.post("/logout")
    assert len(told) == 1
    made.token.revoked_at = timezone.now()
    made.token.save()
    assert len(told) == 2
    user.is_active = False
    user.save()
    assert len(told) == 3
