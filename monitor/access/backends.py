"""Users authenticated by a trusted proxy. A new one is created as a viewer."""

from __future__ import annotations

import logging
from typing import Any

from django.contrib.auth.backends import RemoteUserBackend
from django.contrib.auth.models import AbstractBaseUser, Group
from django.http import HttpRequest

GROUP = "viewers"
log = logging.getLogger(__name__)


class ProxyBackend(RemoteUserBackend):
    """Django's backend, which creates users on first use. It is called directly, never by a login form."""

    def configure_user(self, request: HttpRequest | None, user: Any, created: bool = True) -> Any:
        """A new user becomes a viewer; later changes by an administrator are kept."""
        if created:
            user.groups.add(*Group.objects.filter(name=GROUP))
            log.info("created user %s as a viewer, on the first request through the proxy", user.get_username())
        return user


def user_named(name: str) -> AbstractBaseUser | None:
    """The user with this name, created if needed. None if the account is disabled or the name is invalid."""
    if len(name) > 150 or not name.isprintable():
        return None
    return ProxyBackend().authenticate(None, remote_user=name)
