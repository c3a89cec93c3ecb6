"""The visitor who sent a request: identified once by the middleware, used by the views."""

from __future__ import annotations

from typing import NamedTuple, cast

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.http import HttpRequest

from monitor.access.backends import user_named
from monitor.access.policy import Access, may_view_commands
from monitor.access.refusal import Refused
from monitor.http.proxies import FORWARDED, remote_user

_ATTRIBUTE = "gpumon_visitor"


class Visitor(NamedTuple):
    """What the sender of a request can see."""

    may_look: bool
    sees_details: bool
    """Who runs what: users, programs, containers; and details, notes and acknowledgers of alerts."""
    sees_commands: bool = False
    """Command lines as well."""
    link_refused: Refused | None = None
    """Why the read-only link of the request is refused."""


def access() -> Access:
    """The access rule of this server."""
    return settings.ACCESS


def visitor_of(request: HttpRequest) -> Visitor:
    """The visitor that the middleware identified. Without the middleware a request can see nothing."""
    return cast("Visitor", getattr(request, _ATTRIBUTE, Visitor(may_look=False, sees_details=False)))


def remember(request: HttpRequest, visitor: Visitor) -> None:
    """Store the visitor with the request."""
    setattr(request, _ATTRIBUTE, visitor)


def become(request: HttpRequest, user: AbstractBaseUser | AnonymousUser) -> None:
    """Make this the user of the request, regardless of its session."""

    async def auser() -> AbstractBaseUser | AnonymousUser:
        return user

    request.user = user  # type: ignore[assignment]  # whatever the user model is
    request.auser = auser  # type: ignore[assignment]


def address_of(request: HttpRequest) -> str:
    """The client's IP address; empty for a Unix socket."""
    return str(request.META.get("REMOTE_ADDR") or "")


async def recognise(request: HttpRequest) -> Visitor:
    """Identify the sender by the proxy's header or the session. Raises DatabaseError.

    The database is not used if anonymous viewers see everything.
    """
    scope = getattr(request, "scope", {})
    if name := remote_user(scope):
        user = await sync_to_async(user_named)(name)
        if user is not None:
            become(request, user)
            return await _of_user(user)
    rule = access()
    has_to_log_in = rule.asks_login_of(address_of(request), was_forwarded=bool(scope.get(FORWARDED)))
    if not has_to_log_in and rule.shows_details and rule.shows_commands:
        return Visitor(may_look=True, sees_details=True, sees_commands=True)
    logged_in = await request.auser()
    if not logged_in.is_authenticated:
        return Visitor(may_look=not has_to_log_in, sees_details=rule.shows_details)
    return await _of_user(logged_in)


async def _of_user(user: AbstractBaseUser) -> Visitor:
    return Visitor(may_look=True, sees_details=True, sees_commands=await sync_to_async(may_view_commands)(user))
