"""Django's check against forged forms, with the rule for origins that sockets have too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.csrf import REASON_BAD_ORIGIN, CsrfViewMiddleware

from monitor.http.in_the_loop import InTheLoop
from monitor.http.origins import Origins

AnyView = TypeVar("AnyView", bound=Callable[..., Any])
AnswerToExpired = Callable[..., HttpResponseBase | None]
"""Takes the request and the arguments of the view."""


def answers_expired_form(answer: AnswerToExpired) -> Callable[[AnyView], AnyView]:
    """Marks a view, or the class of one, whose forms can be open while the browser logs in elsewhere: what it responds to them.
    After None, the page for expired forms follows.
    """

    def mark(view: AnyView) -> AnyView:
        view.answer_expired_form = answer  # type: ignore[attr-defined]
        return view

    return mark


def answer_to_expired_form(request: HttpRequest) -> HttpResponseBase | None:
    """The response of the view that this form is for, if it has one."""
    if request.method != "POST":
        return None
    match = request.resolver_match
    view = None if match is None else getattr(match.func, "view_class", match.func)
    answer: AnswerToExpired | None = getattr(view, "answer_expired_form", None)
    return None if answer is None or match is None else answer(request, *match.args, **match.kwargs)


def is_of_foreign_origin(reason: str) -> bool:
    """Whether Django's reason for refusing a form is its origin, which has been logged."""
    return reason.startswith(REASON_BAD_ORIGIN.partition("%")[0])


class CsrfMiddleware(InTheLoop, CsrfViewMiddleware):
    """Django compares origins as they are spelled. Tokens and cookies are checked by Django alone."""

    def __init__(self, get_response: Any) -> None:
        super().__init__(get_response)
        self._origins = Origins(settings.CSRF_TRUSTED_ORIGINS)

    async def process_view(  # type: ignore[override]  # Django accepts both kinds
        self, request: HttpRequest, view: AnyView, args: Any, kwargs: Any
    ) -> Any:
        """Check a form in a thread: its fields may be in a file. Other requests are only noted as checked."""
        check = super().process_view
        if request.method in ("GET", "HEAD", "OPTIONS", "TRACE"):  # Django's own list
            return check(request, view, args, kwargs)
        return await sync_to_async(check)(request, view, args, kwargs)

    def _origin_verified(self, request: HttpRequest) -> bool:
        """Called by Django if the request has an Origin header."""
        return self._origins.allow(request.scope, without_origin=True)  # type: ignore[attr-defined]  # of ASGIRequest
