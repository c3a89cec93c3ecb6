"""The one-time set-up link, the first administrator from the settings, and their log lines."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from monitor.access.bootstrap_admin import address_of, prepare
from monitor.access.setup_link import VALID_SECONDS, SetupLink
from monitor.config.model import Config
from monitor.config.overrides import validated
from monitor.runtime.process import runtime

PASSWORD = "a staple of horses"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def config(**values: Any) -> Config:
    return validated(Config.model_construct(), values)


def test_link_works_once_and_the_next_one_replaces_it() -> None:
    link = SetupLink()
    first, second = link.open(), link.open()
    assert not link.fits(first)
    assert link.fits(second)
    for fits in (True, False):
        with link.used(second) as found:
            assert found is fits
    assert not link.fits(second)


def test_only_one_of_two_simultaneous_requests_uses_the_link() -> None:
    link = SetupLink()
    token, let_in = link.open(), []
    both = threading.Barrier(2)

    def come() -> None:
        both.wait(10)
        with link.used(token) as fits:
            let_in.append(fits)

    comers = [threading.Thread(target=come) for _ in range(2)]
    for comer in comers:
        comer.start()
    for comer in comers:
        comer.join()
    assert sorted(let_in) == [False, True]


def test_link_is_valid_for_a_day() -> None:
    clock = Clock()
    link = SetupLink(clock)
    token = link.open()
    clock.now = VALID_SECONDS - 1
    assert link.fits(token)
    clock.now = VALID_SECONDS
    assert not link.fits(token)


def test_token_itself_is_not_stored() -> None:
    link = SetupLink()
    assert link.open() not in str(vars(link))


def test_no_token_matches_without_an_open_link() -> None:
    assert not SetupLink().fits("")


@pytest.mark.django_db
def test_start_without_administrator_logs_the_link_only_if_everyone_must_log_in(
    caplog: pytest.LogCaptureFixture,
) -> None:
    link = SetupLink()
    prepare(config(), link, needs_login=False)
    assert caplog.text == ""
    prepare(config(host="0.0.0.0", base_path="/gpus"), link, needs_login=True)
    token = caplog.text.partition("http://0.0.0.0:5000/gpus/setup/")[2].partition(" ")[0]
    assert link.fits(token)


@pytest.mark.parametrize(
    ("values", "address"),
    [
        ({"host": "::", "port": 80}, "http://[::]:80/setup/T"),
        ({"csrf_trusted_origins": "https://gpu.example.com", "base_path": "/gpus"}, "https://gpu.example.com/gpus/setup/T"),
        ({"csrf_trusted_origins": "https://*.example.com"}, "http://127.0.0.1:5000/setup/T"),
        ({"host": "0.0.0.0", "allowed_hosts": "*,.example.com,gpu01,gpu02"}, "http://gpu01:5000/setup/T"),
        ({"allowed_hosts": "gpu01", "tls": "on", "base_path": "/gpus"}, "https://gpu01/gpus/setup/T"),
        ({"allowed_hosts": "localhost"}, "http://localhost:5000/setup/T"),
        ({"public_url": "https://a.example.com/gpus/", "base_path": "/gpus", "csrf_trusted_origins": "https://*.example.com"},
         "https://a.example.com/gpus/setup/T"),
    ],
)  # fmt: skip
def test_link_starts_with_the_public_url_if_known(values: dict[str, Any], address: str) -> None:
    assert address_of(config(**values), "/setup/T") == address


@pytest.mark.django_db
def test_password_in_the_settings_creates_the_administrator_and_is_never_logged(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level("DEBUG")
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    prepare(config(admin_password_file=tmp_path / "password", admin_user="chief"), SetupLink(), needs_login=True)
    user = User.objects.get(username="chief")
    assert (user.is_superuser, user.is_staff, user.check_password(PASSWORD)) == (True, True, True)
    assert PASSWORD not in caplog.text
    assert "/setup/" not in caplog.text


@pytest.mark.django_db(transaction=True)
def test_password_is_hashed_before_the_database_is_locked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: on a first start, the alert engine could not read its rules meanwhile, and logged a warning."""
    hashed_in_transaction = []
    hash_password = User.set_password

    def hashed(user: User, password: str | None) -> None:
        hashed_in_transaction.append(connection.in_atomic_block)
        hash_password(user, password)

    monkeypatch.setattr(User, "set_password", hashed)
    prepare(config(admin_password=PASSWORD), SetupLink(), needs_login=True)
    assert User.objects.get().check_password(PASSWORD)
    assert hashed_in_transaction == [False]


@pytest.mark.django_db
def test_later_password_in_the_settings_changes_no_account() -> None:
    for password in (PASSWORD, "another staple of horses"):
        prepare(config(admin_password=password), SetupLink(), needs_login=True)
    assert User.objects.get().check_password(PASSWORD)


@pytest.mark.django_db
@pytest.mark.parametrize("password", ["t1ny", "password12", "12345678901234", "chief-admin"])
def test_weak_password_is_refused_without_being_shown_and_the_link_is_used(
    password: str, caplog: pytest.LogCaptureFixture
) -> None:
    prepare(config(admin_password=password, admin_user="chief-admin"), SetupLink(), needs_login=True)
    assert not User.objects.exists()
    assert "GPU_MONITOR_ADMIN_PASSWORD is rejected: " in caplog.text
    assert "/setup/" in caplog.text
    assert f" {password}" not in caplog.text


@pytest.mark.django_db
def test_existing_account_is_not_made_administrator(caplog: pytest.LogCaptureFixture) -> None:
    User.objects.create_user("admin", password="something else")
    prepare(config(admin_password=PASSWORD), SetupLink(), needs_login=True)
    user = User.objects.get()
    assert (user.is_superuser, user.check_password("something else")) == (False, True)
    assert "is not an administrator" in caplog.text


# ── The page ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def fill(client: Client, token: str, **given: str) -> Any:
    return client.post(f"/setup/{token}", {"username": "chief", "password1": PASSWORD, "password2": PASSWORD, **given})


@pytest.mark.django_db
@pytest.mark.usefixtures("static_root")
def test_page_creates_the_administrator_and_logs_in(client: Client) -> None:
    token = runtime().setup_link.open()
    assert b"Create admin account" in client.get(f"/setup/{token}").content
    assert fill(client, token)["Location"] == "/"
    user = User.objects.get()
    assert (user.username, user.is_superuser, user.is_staff) == ("chief", True, True)
    assert client.session["_auth_user_id"] == str(user.pk)
    assert fill(Client(), token, username="second").status_code == 404


@pytest.mark.django_db
@pytest.mark.usefixtures("static_root")
def test_weak_password_or_typing_error_leaves_the_link_open(client: Client) -> None:
    token = runtime().setup_link.open()
    assert b"too short" in fill(client, token, password1="short", password2="short").content
    assert b"match" in fill(client, token, password2="another one here").content
    assert not User.objects.exists()
    assert fill(client, token).status_code == 302


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("static_root")
def test_failure_to_write_the_account_leaves_the_link_open(client: Client) -> None:
    """Regression: on a full disk the link was used up without creating an account, and only a restart issued another."""
    client.raise_request_exception = False
    token = runtime().setup_link.open()
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA query_only = ON")
        try:
            assert fill(client, token).status_code == 503
        finally:
            cursor.execute("PRAGMA query_only = OFF")
    assert not User.objects.exists()
    assert fill(client, token).status_code == 302


@pytest.mark.django_db
@pytest.mark.usefixtures("static_root")
def test_wrong_token_or_existing_administrator_returns_404(client: Client) -> None:
    token = runtime().setup_link.open()
    assert client.get("/setup/other").status_code == 404
    User.objects.create_superuser("root")
    assert fill(client, token).status_code == 404
    assert User.objects.count() == 1
