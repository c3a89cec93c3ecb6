"""The first admin account of a server: created from the settings, or by a set-up link in the log."""

from __future__ import annotations

import logging
from urllib.parse import urlunsplit

from django.contrib.auth import get_user_model
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import DatabaseError, IntegrityError, transaction

from monitor.access.setup_link import SetupLink, has_administrator
from monitor.config.declarations import PREFIX
from monitor.config.hosts import is_loopback
from monitor.config.model import Config

log = logging.getLogger(__name__)


def prepare(config: Config, link: SetupLink, *, needs_login: bool) -> None:
    """Create the account or log the link, unless there is an administrator. A failing database is logged."""
    try:
        if has_administrator():
            return
        password = password_of(config)
        if password is not None and _make(config.admin_user, password):
            return
    except DatabaseError as error:
        log.warning("cannot check whether there is an admin account: %s", error)
        return
    if needs_login:
        log.warning(
            "no admin account yet: open %s within 24 hours to create one",
            address_of(config, f"/setup/{link.open()}"),
        )


def password_of(config: Config) -> str | None:
    """The password from the settings, without line breaks at the end of its file; None if it is not set."""
    if config.admin_password is not None:
        return config.admin_password.get_secret_value()
    if config.admin_password_file is not None:
        return config.admin_password_file.read_text(encoding="utf-8").rstrip("\r\n")
    return None


def _make(name: str, password: str) -> bool:
    """Create the account. Returns whether that worked."""
    users = get_user_model()
    try:
        validate_password(password, users(username=name))
        account = users(username=users.normalize_username(name), is_staff=True, is_superuser=True)
        # Hashing takes up to a second, during which a transaction would lock out every other writer.
        account.set_password(password)
        with transaction.atomic():
            account.save()
    except ValidationError as error:
        log.error("%sADMIN_PASSWORD is rejected: %s", PREFIX, " ".join(error.messages))
        return False
    except IntegrityError:
        log.error("%sADMIN_USER: account %r exists and is not an administrator; it is not changed", PREFIX, name)
        return False
    log.info("created admin account %s with the password from the settings", name)
    return True


def address_of(config: Config, path: str) -> str:
    """URL of a path below the base path, as far as the server can know."""
    if config.public_url is not None:
        return config.public_url.rstrip("/") + path
    path = config.base_path + path
    if config.csrf_trusted_origins and "*" not in config.csrf_trusted_origins[0]:
        return config.csrf_trusted_origins[0].rstrip("/") + path
    host = f"[{config.host}]" if ":" in config.host else config.host
    name = next((name for name in config.allowed_hosts if not name.startswith(("*", "."))), host)
    if is_loopback(config.host) and not is_loopback(name):
        # Only a proxy on this host can serve that name.
        return urlunsplit(("https" if config.tls == "on" else "http", name, path, "", ""))
    return urlunsplit(("http", f"{name}:{config.port}", path, "", ""))
