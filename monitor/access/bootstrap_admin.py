"""At the start of a server without an administrator: the first is made of the settings, or a link in the log makes one."""

from __future__ import annotations

import logging
from urllib.parse import urlunsplit

from django.contrib.auth import get_user_model
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import DatabaseError, IntegrityError, transaction

from monitor.access.setup_link import SetupLink, has_administrator
from monitor.config.declarations import PREFIX
from monitor.config.model import Config

log = logging.getLogger(__name__)


def prepare(config: Config, link: SetupLink, *, needs_login: bool) -> None:
    """Nothing where there is an administrator. A database that does not answer is logged."""
    try:
        if has_administrator():
            return
        password = password_of(config)
        if password is not None and _make(config.admin_user, password):
            return
    except DatabaseError as error:
        log.warning("whether there is an administrator cannot be known now: %s", error)
        return
    if needs_login:
        log.warning(
            "nobody can log in yet: open %s once, within 24 hours, to make the first administrator",
            address_of(config, link.open()),
        )


def password_of(config: Config) -> str | None:
    """The password that the settings give; None where they give none. Line breaks at the end of a file are none of it."""
    if config.admin_password is not None:
        return config.admin_password.get_secret_value()
    if config.admin_password_file is not None:
        return config.admin_password_file.read_text().rstrip("\r\n")
    return None


def _make(name: str, password: str) -> bool:
    """Whether there is one now."""
    users = get_user_model()
    try:
        validate_password(password, users(username=name))
        with transaction.atomic():
            users._default_manager.create_superuser(name, password=password)
    except ValidationError as error:
        log.error("%sADMIN_PASSWORD is not taken: %s", PREFIX, " ".join(error.messages))
        return False
    except IntegrityError:
        log.error("%sADMIN_USER: there is an account %r, which is no administrator and is left so", PREFIX, name)
        return False
    log.info("the first administrator is %s, with the password of the settings", name)
    return True


def address_of(config: Config, token: str) -> str:
    """Where the set-up page is, as far as the server can know."""
    if config.public_url is not None:
        return f"{config.public_url.rstrip('/')}/setup/{token}"
    path = f"{config.base_path}/setup/{token}"
    if config.csrf_trusted_origins and "*" not in config.csrf_trusted_origins[0]:
        return config.csrf_trusted_origins[0].rstrip("/") + path
    host = f"[{config.host}]" if ":" in config.host else config.host
    return urlunsplit(("http", f"{host}:{config.port}", path, "", ""))
