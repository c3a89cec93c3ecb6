"""Users authenticated by a trusted proxy. A new one is created as a viewer."""

from __future__ import annotations

import logging
from typing import Any

from django.conf import settings
from django.contrib.auth.backends import RemoteUserBackend
from django.contrib.auth.models import AbstractBaseUser, Group, PermissionsMixin
from django.http import HttpRequest

from monitor.http.log_once import LogOnce

GROUP = "viewers"
log = logging.getLogger(__name__)
_refusals = LogOnce(log)


class ProxyBackend(RemoteUserBackend):
    """Django's backend, which creates users on first use. It is called directly, never by a login form."""

    def configure_user(self, request: HttpRequest | None, user: Any, created: bool = True) -> Any:
        """A new user becomes a viewer; later changes by an administrator are kept."""
        if created:
            user.groups.add(*Group.objects.filter(name=GROUP))
            log.info("created user %s as a viewer, on the first request through the proxy", user.get_username())
        return user


class _KnownUsers(ProxyBackend):
    create_unknown_user = False


def user_named(name: str, *, may_create: bool = True) -> AbstractBaseUser | None:
    """The user with this name. None if the account is disabled, the name is invalid, or it is a superuser's and no proxy may name
    these.

    A new user is created if `may_create`; only that writes to the database.
    """
    if len(name) > 150 or not name.isprintable():
        return None
    backend = ProxyBackend() if may_create else _KnownUsers()
    user = backend.authenticate(None, remote_user=name)
    if settings.GPU_MONITOR.forbid_remote_superusers and isinstance(user, PermissionsMixin) and user.is_superuser:
        _refusals.warning(
            "the proxy named the superuser %s, who has to log in here instead (GPU_MONITOR_FORBID_REMOTE_SUPERUSERS)",
            name,
        )
        return None
    return user
