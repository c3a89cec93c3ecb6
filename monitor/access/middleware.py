"""Identifies the visitor of each request and refuses the views they cannot see. Views require a login unless marked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from asgiref.sync import markcoroutinefunction, sync_to_async
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.views import redirect_to_login
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render, resolve_url
from django.utils import timezone
from django_htmx.http import HttpResponseClientRefresh

from monitor.access import tokens, view_links
from monitor.access.last_use import last_use
from monitor.access.link_paths import link_of_request
from monitor.access.responses import LOG_IN, UNAUTHORIZED, json_error
from monitor.access.visitor import Visitor, become, recognise, remember, visitor_of
from monitor.http.program_paths import is_for_programs
from monitor.http.security_headers import allow_frames

AnyView = TypeVar("AnyView", bound=Callable[..., Any])
_BEARER = "bearer "


def takes_token(scope: str) -> Callable[[AnyView], AnyView]:
    """Marks a view that accepts a token of this scope (see tokens.SCOPES) in place of a login."""

    def mark(view: AnyView) -> AnyView:
        view.token_scope = scope  # type: ignore[attr-defined]
        return view

    return mark


def opens_with_link(view: AnyView) -> AnyView:
    """Marks a view that a read-only link opens. It changes nothing, and shows no names to those who may not see them."""
    view.opens_with_link = True  # type: ignore[attr-defined]
    return view


def answers_refused_links(view: AnyView) -> AnyView:
    """Marks a view that says itself why a read-only link no longer opens it (`Visitor.link_refused`), in place of a page."""
    view.answers_refused_links = True  # type: ignore[attr-defined]
    return view


class AccessMiddleware:
    """Runs before Django's CSRF check, which requests with a token skip: browsers never send one by themselves."""

    async_capable = True
    sync_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], Awaitable[HttpResponseBase]]) -> None:
        self._get_response = get_response
        markcoroutinefunction(self)

    async def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = await self._get_response(request)
        _renew_session(request, response)
        if link_of_request(request) is not None:
            response.headers["Referrer-Policy"] = (
                "no-referrer"  # not even to our own files, whose requests a proxy may log
            )
        return response

    async def process_view(
        self, request: HttpRequest, view: Callable[..., Any], _args: Any, _kwargs: Any
    ) -> HttpResponse | None:
        """None if the view can be called."""
        scope = getattr(view, "token_scope", None)
        try:
            if (link := link_of_request(request)) is not None:
                return await _by_link(request, link.key, view)
            if scope is not None and (secret := bearer_of(request.headers.get("Authorization", ""))) is not None:
                return await _by_token(request, secret, scope)
            remember(request, await recognise(request))
        except DatabaseError as error:
            return json_error(503, f"The database is not responding, so logins cannot be checked: {error}")
        if visitor_of(request).may_look or not getattr(view, "login_required", True):
            return None
        is_program = is_for_programs(request.path_info) or request.headers.get("Accept") == "application/json"
        if scope is not None and is_program:
            return json_error(401, LOG_IN, UNAUTHORIZED)
        if request.htmx and request.method == "GET":  # type: ignore[attr-defined]  # set by HtmxMiddleware
            # The page reloads, and its own request leads to the login. After a POST it stays, with what was typed.
            return HttpResponseClientRefresh()
        if request.headers.get("Sec-Fetch-Dest") == "iframe":  # where no login page is allowed
            return _refused_in_frame(render(request, "account/framed.html", status=403))
        return redirect_to_login(_page_of(request), resolve_url(settings.LOGIN_URL))


def bearer_of(authorization: str) -> str | None:
    """The token in an Authorization header (RFC 6750, 2.1), if any."""
    return authorization[len(_BEARER) :].strip() if authorization[: len(_BEARER)].lower() == _BEARER else None


def _page_of(request: HttpRequest) -> str:
    """The page to return to after the login: the requested one, or for a form the page that it was on, because a form is
    not submitted again.
    """
    if request.method in ("GET", "HEAD"):
        return request.get_full_path()
    site, _, path = request.headers.get("Referer", "").partition("://")[2].partition("/")
    return f"/{path}" if site == request.get_host() else resolve_url(settings.LOGIN_REDIRECT_URL)


async def _by_token(request: HttpRequest, secret: str, scope: str) -> HttpResponse | None:
    found = await sync_to_async(tokens.find)(secret, timezone.now())
    if isinstance(found, str):
        challenge = f'{UNAUTHORIZED}, error="invalid_token", error_description="{found}"'
        return json_error(401, tokens.WORDS[found], challenge)
    if (lacking := tokens.lacks_scope(found, scope)) is not None:
        return json_error(403, lacking, f'{UNAUTHORIZED}, error="insufficient_scope", scope="{scope}"')
    last_use().used(found, timezone.now())
    become(request, found.owner)
    request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]  # noqa: SLF001  # Django's own way to say so
    sees_commands = await sync_to_async(tokens.sees_commands)(found)
    remember(request, Visitor(may_look=True, sees_details=True, sees_commands=sees_commands))
    return None


async def _by_link(request: HttpRequest, key: str, view: Callable[..., Any]) -> HttpResponse | None:
    """The visitor is anonymous, even if a user is logged in in this browser: a link shows the same to everybody."""
    if not getattr(view, "opens_with_link", False):
        raise Http404
    found = await sync_to_async(view_links.find)(key, timezone.now())
    if isinstance(found, str) and getattr(view, "answers_refused_links", False):
        become(request, AnonymousUser())
        remember(request, Visitor(may_look=False, sees_details=False, link_refused=found))
        return None
    if isinstance(found, str):
        # 410: pages that are open reload, and then say so (static/js/connection.js).
        refusal = render(request, "account/wrong_link.html", {"reason": view_links.WORDS[found]}, status=410)
        return _refused_in_frame(refusal)
    become(request, AnonymousUser())
    remember(request, Visitor(may_look=True, sees_details=False))
    last_use().used(found, timezone.now())
    return None


def _refused_in_frame(refusal: HttpResponse) -> HttpResponse:
    """A page that may take the place of the wall screen in a frame, where the browser would otherwise show an error of its own."""
    allow_frames(refusal, settings.GPU_MONITOR.frame_ancestors)
    return refusal


def _renew_session(request: HttpRequest, response: HttpResponseBase) -> None:
    """Extend the login that this request has used, at most once a day. SessionMiddleware has the last word, as after a logout."""
    session = request.session
    if response.status_code >= 500 or not session.accessed or SESSION_KEY not in session or not session.session_key:
        return
    if last_use().session_used(session.session_key, timezone.now()):
        response.set_cookie(
            settings.SESSION_COOKIE_NAME,
            session.session_key,
            max_age=settings.SESSION_COOKIE_AGE,
            path=settings.SESSION_COOKIE_PATH,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=settings.SESSION_COOKIE_HTTPONLY,
            samesite=settings.SESSION_COOKIE_SAMESITE,  # type: ignore[arg-type]  # django-stubs: a setting is only str
        )
