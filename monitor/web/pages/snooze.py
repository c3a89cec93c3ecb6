"""Snooze the notifications of an alert: from its page with a login, or by the link of a message without one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode
from uuid import UUID

from asgiref.sync import sync_to_async
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import AnonymousUser, User
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from monitor.alerts import silence, snooze_link
from monitor.http.csrf import answers_expired_form
from monitor.models import AlertEvent
from monitor.runtime.process import runtime
from monitor.web.pages.base_context import may_mute

_BY_LINK = ("1h", "resolved")
"""What a link can do without a login: the shortest, and what ends by itself with the alert."""


class Choice(NamedTuple):
    """A length of the form."""

    value: str
    label: str


class SnoozeForm(NamedTuple):
    """The form on an alert's page."""

    silent: list[str]
    """Why notifications are off now."""
    choices: list[Choice]
    scopes: tuple[str, ...]


async def form_for(user: User | AnonymousUser, event: AlertEvent) -> SnoozeForm | None:
    """The form for a user with the permission; None for others, and without a rule. `event` with its rule and its snoozes."""
    if event.rule is None or not isinstance(user, User) or not await may_mute(user):
        return None
    now = timezone.now()
    return SnoozeForm(
        silence.reasons(event.rule, now, event.gpu_uuid, event.host_id),
        choices(is_open=event.state == "firing", now=now),
        _scopes(event),
    )


def _scopes(event: AlertEvent) -> tuple[str, ...]:
    """What a user can snooze: the alert's GPU, its host if there are several, all that the rule is about."""
    has_hosts = event.host_id or runtime().fleet.has_hosts
    return (*(("gpu",) if event.gpu_uuid else ()), *(("host",) if has_hosts else ()), "rule")


class _Refused(Exception):
    """Why something cannot be shown or done."""

    def __init__(self, status: int, heading: str, reason: str) -> None:
        super().__init__(reason)
        self.status, self.heading, self.reason = status, heading, reason


class _Asked(NamedTuple):
    """A request that is allowed."""

    event: AlertEvent
    by: User | None
    """None: by the link of a message."""
    scopes: tuple[str, ...]
    lengths: tuple[str, ...]
    key: str


def choices(*, is_open: bool, now: datetime) -> list[Choice]:
    """The lengths that can be chosen."""
    found = [Choice("1h", "1 h"), Choice("morning", f"until {silence.next_morning(now):%H:%M %Z}")]
    return [*found, Choice("resolved", "until resolved")] if is_open else found


def _ask_again(request: HttpRequest, event_id: UUID) -> HttpResponse:
    """A form that was open while the browser logged in elsewhere: the question again, with a new token."""
    key = request.POST.get("key", "")
    query = f"?{urlencode({'key': key})}" if key else ""
    return HttpResponseRedirect(f"{reverse('snooze', args=[event_id])}{query}")


@answers_expired_form(_ask_again)
@login_not_required  # a login with the permission, or the key of a message's link, is checked below
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
async def snooze(request: HttpRequest, event_id: UUID) -> HttpResponse:
    """GET asks for a confirmation and changes nothing: mail scanners follow links. POST with `length` (1h, morning, resolved
    or end) and `scope` (gpu, host or rule) switches notifications off, or (end) on.

    Refused: no login and no valid key (401 or the login page), no permission (403), an unknown alert (404), a deleted rule or
    `resolved` for an alert that has resolved (409), another length or scope (400), a database that does not respond (503).
    """
    try:
        asked = await _asked(request, event_id)
        if isinstance(asked, HttpResponse):
            return asked
        if request.method != "POST":
            return await _page(request, asked)
        await _do(asked, request.POST.get("length", ""), request.POST.get("scope", ""))
    except _Refused as refused:
        return _refusal(request, refused.status, refused.heading, refused.reason)
    except DatabaseError as error:
        reason = f"Nothing was changed. Try again in a moment. ({error})"
        return _refusal(request, 503, "The database does not respond", reason)
    runtime().alerts.changed()
    if asked.by is not None:
        return HttpResponseRedirect(f"{reverse('alert', args=[event_id])}#snooze")
    return await _page(request, asked, is_done=True)


async def _asked(request: HttpRequest, event_id: UUID) -> _Asked | HttpResponse:
    key = request.POST.get("key", "") or request.GET.get("key", "")
    by, problem = await _allowed(request, event_id, key)
    if by is None and problem:
        if not key and not (await request.auser()).is_authenticated:
            return redirect(f"{reverse('login')}?{urlencode({'next': reverse('alert', args=[event_id])})}")
        raise _Refused(403, "You cannot snooze this alert", problem)
    rows = AlertEvent.objects.select_related("rule").prefetch_related("rule__snoozes")
    event = await rows.filter(pk=event_id).afirst()
    if event is None:
        raise _Refused(404, "No such alert", "It may have been deleted.")
    if event.rule is None:
        raise _Refused(
            409, "Nothing to snooze", "The rule of this alert was deleted, so it sends no more notifications."
        )
    lengths = tuple(each.value for each in choices(is_open=event.state == "firing", now=timezone.now()))
    scopes = _scopes(event)
    if by is None:
        allowed = snooze_link.read(key)
        scope = allowed.scope if isinstance(allowed, snooze_link.Key) else "gpu"
        scopes = (scope if scope in scopes else "rule",)
        lengths = tuple(each for each in lengths if each in _BY_LINK)
    return _Asked(event, by, scopes, lengths, key)


async def _allowed(request: HttpRequest, event_id: UUID, key: str) -> tuple[User | None, str]:
    """The user whose permission allows it; else None, and why a link does not allow it either (empty if it does)."""
    user: User | AnonymousUser = await request.auser()
    if isinstance(user, User) and await may_mute(user):
        return user, ""
    if key:
        found = snooze_link.read(key)
        if isinstance(found, str):
            return None, found
        if found.event_id == str(event_id):
            return None, ""
        return None, "This link belongs to another alert."
    if user.is_authenticated:
        return (
            None,
            f"{user.get_username()} lacks the permission. An administrator can grant it with the operators group.",
        )
    return None, "Log in to snooze alerts."


async def _do(asked: _Asked, length: str, scope: str) -> None:
    now, event = timezone.now(), asked.event
    rule = event.rule
    assert rule is not None
    if length == "end" and asked.by is not None:
        await sync_to_async(silence.end)(rule)
        return
    if length == "resolved" and event.state != "firing":
        raise _Refused(409, "The alert has resolved", "Choose a length of time instead.")
    if length not in asked.lengths:
        raise _Refused(400, "Not snoozed", f"The length {length[:20]!r} must be one of: {', '.join(asked.lengths)}.")
    if scope not in asked.scopes:
        raise _Refused(400, "Not snoozed", f"The scope {scope[:20]!r} must be one of: {', '.join(asked.scopes)}.")
    until = {"1h": now + timedelta(hours=1), "morning": silence.next_morning(now).astimezone(UTC), "resolved": None}[
        length
    ]
    uuid = event.gpu_uuid if scope == "gpu" else ""
    by = None if asked.by is None else asked.by.pk
    of_host = event if scope == "host" else None
    await sync_to_async(silence.set_until)(rule, until, gpu_uuid=uuid, of_host=of_host, by=by)


async def _page(request: HttpRequest, asked: _Asked, *, is_done: bool = False) -> HttpResponse:
    event = await AlertEvent.objects.select_related("rule").prefetch_related("rule__snoozes").aget(pk=asked.event.pk)
    now = timezone.now()
    context: dict[str, Any] = {
        "event": event,
        "silent": silence.reasons(event.rule, now, event.gpu_uuid, event.host_id),
        "is_done": is_done,
        "choices": [each for each in choices(is_open=event.state == "firing", now=now) if each.value in asked.lengths],
        "scopes": asked.scopes,
        "key": asked.key,
    }
    return render(request, "monitor/snooze.html", context)


def _refusal(request: HttpRequest, status: int, heading: str, reason: str) -> HttpResponse:
    return render(request, "monitor/snooze.html", {"heading": heading, "reason": reason}, status=status)
