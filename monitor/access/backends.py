"""Users whom a trusted proxy names: one that is new is made, as a viewer."""

from __future__ import annotations

import logging
from typing import Any

from django.contrib.auth.backends import RemoteUserBackend
from django.contrib.auth.models import AbstractBaseUser, Group
from django.http import HttpRequest

GROUP = "viewers"
log = logging.getLogger(__name__)


class ProxyBackend(RemoteUserBackend):
    """Django's own, which makes users on first sight. It is asked directly: no login form leads here."""

    def configure_user(self, request: HttpRequest | None, user: Any, created: bool = True) -> Any:
        """A new user becomes a viewer; what an administrator makes of them later stays."""
        if created:
            user.groups.add(*Group.objects.filter(name=GROUP))
            log.info("%s came by the proxy for the first time and is a viewer now", user.get_username())
        return user


def user_named(name: str) -> AbstractBaseUser | None:
    """The user of this name, made where there is none. None where the account is disabled, or the name cannot be one."""
    if len(name) > 150 or not name.isprintable():
        return None
    return ProxyBackend().authenticate(None, remote_user=name)
