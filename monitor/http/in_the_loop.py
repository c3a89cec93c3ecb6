"""Django's own middleware, called in the event loop.

Under ASGI, Django calls each hook in a thread, because a hook may use the database. That made twelve changes of thread a request,
more than a third of the processor time of a small one. These hooks only look at the request and the response, with two exceptions
named below.
"""

from __future__ import annotations

from typing import Any, cast

from asgiref.sync import sync_to_async
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.common import CommonMiddleware
from django.middleware.gzip import GZipMiddleware
from django.middleware.security import SecurityMiddleware
from django.utils.deprecation import MiddlewareMixin


class InTheLoop(MiddlewareMixin):
    """To be named before Django's class, whose hooks it calls."""

    def may_block(self, request: HttpRequest) -> bool:
        """Whether `process_response` may use the database for this request, and is called in a thread."""
        return False

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        hooks = cast("Any", self)
        response = hooks.process_request(request) if hasattr(self, "process_request") else None
        response = response or await hooks.get_response(request)
        if not hasattr(self, "process_response"):
            return cast("HttpResponseBase", response)
        respond = sync_to_async(hooks.process_response) if self.may_block(request) else None
        answer = hooks.process_response(request, response) if respond is None else await respond(request, response)
        return cast("HttpResponseBase", answer)


class Security(InTheLoop, SecurityMiddleware):
    """Django's SecurityMiddleware."""


class Common(InTheLoop, CommonMiddleware):
    """Django's CommonMiddleware."""


class Compression(InTheLoop, GZipMiddleware):
    """Django's GZipMiddleware, for pages: to a sixth of their size, for half a millisecond. JSON is for programs, which are often
    on this host. (`/metrics` and static files are compressed once for all.)
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        is_page = response.headers.get("Content-Type", "").startswith("text/html")
        return super().process_response(request, response) if is_page else response


class Sessions(InTheLoop, SessionMiddleware):
    """Django's SessionMiddleware. It saves a session that was changed."""

    def may_block(self, request: HttpRequest) -> bool:
        """If there is something to save."""
        return request.session.modified


class Authentication(InTheLoop, AuthenticationMiddleware):
    """Django's AuthenticationMiddleware. The user is looked up when a view asks for it."""


class Messages(InTheLoop, MessageMiddleware):
    """Django's MessageMiddleware. It stores messages in the session, which it may have to load."""

    def may_block(self, request: HttpRequest) -> bool:
        """If messages were read or added."""
        storage = request._messages  # type: ignore[attr-defined]  # noqa: SLF001  # Django's own place for it
        return bool(storage.used or storage.added_new)
