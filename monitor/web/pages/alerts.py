"""The pages of alerts, and acknowledging one. htmx gets fragments of the same pages."""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from asgiref.sync import sync_to_async
from django.contrib.auth.models import AnonymousUser, User
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe
from django.views.decorators.vary import vary_on_headers

from monitor.access.link_paths import link_of_request
from monitor.access.middleware import opens_with_link, takes_token
from monitor.access.responses import json_error, json_response
from monitor.access.visitor import visitor_of
from monitor.http.csrf import answers_expired_form
from monitor.live.pieces import LivePage, Pieces
from monitor.models import AlertEvent
from monitor.rules.description import lines_of
from monitor.rules.sentences import happening
from monitor.runtime.process import runtime
from monitor.telemetry.schema import Alert, Snapshot
from monitor.web.components.banner import Banner
from monitor.web.components.live_pieces import LivePieces
from monitor.web.components.open_alerts import WORST_FIRST, counted_in_words, open_alerts_part
from monitor.web.components.overview import notices_part, source_of, trouble
from monitor.web.pages.alert_evidence import alert_page
from monitor.web.pages.alert_history import PastAlert, Wanted, history
from monitor.web.pages.base_context import MAY_ACKNOWLEDGE, HtmxRequest, StillPage, base_context
from monitor.web.pages.snooze import form_for
from monitor.web.snapshots import first_seen_of_all

MAY_CHANGE_RULES = "monitor.change_alertrule"
LONGEST_NOTE = 1000
"""Characters, as the form says too."""


class Refusal(NamedTuple):
    """Why something cannot be shown or done."""

    status: int
    heading: str
    reason: str


class AlertsPage:
    """Everything live on the page of alerts: the open ones of all hosts. The history below comes from the database."""

    def __init__(self, snapshot: Snapshot) -> None:
        live = LivePieces()
        self.snapshot = snapshot
        self.source = live.text("source", source_of(snapshot))
        self.notices = notices_part(snapshot, live)
        self.banner = Banner(snapshot, live)
        self.open_count = live.text("open-count", counted_in_words(snapshot.alerts) or "none")
        self.open_alerts = open_alerts_part(snapshot, live, host_of=_host_of)
        what, self.level = trouble(snapshot)
        self.title = f"{what} · {snapshot.host}" if what else f"Alerts · {snapshot.host}"
        self.pieces = Pieces(live.parts, live.values, self.title, self.level)


def _host_of(alert: Alert) -> Snapshot | None:
    """The newest snapshot of the alert's host, if that is another one."""
    return None if alert.host_id is None else runtime().fleet.follow(alert.host_id)


LIVE_PAGE = LivePage("alerts", lambda snapshot: AlertsPage(snapshot).pieces, has_charts=False)
"""On a host without a fleet."""
LIVE_PAGE_OF_FLEET = LIVE_PAGE._replace(
    pieces=lambda snapshot: AlertsPage(_as_own(snapshot)).pieces,
    is_of_fleet=True,
)


def _as_own(snapshot: Snapshot) -> Snapshot:
    """The newest snapshot of the host that answers, with the open alerts of this one, which has those of all hosts."""
    own = runtime().hub.latest
    return snapshot if own is None else msgspec.structs.replace(own, alerts=snapshot.alerts)


@opens_with_link
@vary_on_headers("HX-Request", "HX-History-Restore-Request")
@never_cache
@require_safe
async def alerts(request: HtmxRequest) -> HttpResponse:
    """The open alerts, live, and the page of the alert history that the address selects; for htmx only the latter."""
    snapshot = await first_seen_of_all(request)
    wanted = Wanted.of(request.GET)
    has_details, open_now = visitor_of(request).sees_details, [alert.id for alert in snapshot.alerts]
    context: dict[str, Any] = {
        "wanted": wanted,
        "history": await sync_to_async(history)(wanted, has_details=has_details, open_now=open_now),
        "severities": WORST_FIRST,
    }
    if request.htmx or request.htmx.history_restore_request:  # htmx 4 sends no HX-Request with the latter
        return render(request, "monitor/fragments/alerts/history.html", context)
    context |= {"page": AlertsPage(snapshot), **await base_context(request, LIVE_PAGE.name, is_of_fleet=True)}
    return render(request, "monitor/alerts.html", context)


@opens_with_link
@never_cache
@require_safe
async def alert(request: HtmxRequest, event_id: UUID) -> HttpResponse:
    """One alert, open or resolved, with the rule as it was when the alert fired."""
    try:
        event = await _find(event_id)
        snooze = None if event is None else await form_for(await request.auser(), event)
    except DatabaseError as error:
        return await _refuse(request, _no_answer(error))
    if event is None:
        return await _refuse(request, _UNKNOWN)
    snapshot = await first_seen_of_all(request)
    live = next((alert for alert in snapshot.alerts if alert.id == str(event_id)), None)
    host = None if live is None or live.host_id is None else await _newest_of(live.host_id)
    visitor = visitor_of(request)
    try:
        shown = await sync_to_async(alert_page)(event, visitor, show_commands=runtime().config.show_commands)
    except DatabaseError as error:
        return await _refuse(request, _no_answer(error))
    context = {
        "rule_address": await _rule_address(request, event),
        "happening": "" if live is None else happening(live, host or snapshot),
        "snooze": snooze,
        "page": StillPage(snapshot, event.summary),
        "past": PastAlert(event, has_details=visitor.sees_details),
        **shown,
        "rule_then": lines_of(event.rule_then),
        **await base_context(request, None),
    }
    return render(request, "monitor/alert.html", context)


async def _newest_of(host_id: str) -> Snapshot | None:
    """The newest snapshot of another host; None if there is none, or the host was deleted a moment ago."""
    try:
        return await runtime().fleet.latest_of(host_id)
    except KeyError:
        return None


async def _rule_address(request: HtmxRequest, event: AlertEvent) -> str:
    """The form of the alert's rule, for viewers who may change it; empty if the rule was deleted."""
    if event.rule_id is None or link_of_request(request) is not None:
        return ""
    user = await request.auser()
    may_change = user.is_staff and await user.ahas_perm(MAY_CHANGE_RULES)
    return reverse("admin:monitor_alertrule_change", args=[event.rule_id]) if may_change else ""


def _form_again(request: HtmxRequest, event_id: UUID) -> HttpResponse | None:
    """A form that was open while the browser logged in elsewhere: the same with a new token, so that no note is lost."""
    event = AlertEvent.objects.filter(pk=event_id).first() if request.user.is_authenticated else None
    if event is None:
        return None
    problem = "You have logged in since this form was opened, so it was not accepted. Send it again."
    context = {"event": event, "note": request.POST.get("note", ""), "problem": problem}
    template = "fragments/alerts/acknowledge_form" if request.htmx else "acknowledge_again"
    return render(request, f"monitor/{template}.html", context, status=403)


@answers_expired_form(_form_again)
@takes_token("acknowledge")
@vary_on_headers("HX-Request")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
async def acknowledge(request: HtmxRequest, event_id: UUID) -> HttpResponse:
    """Acknowledge an alert by POST. A browser is redirected back; htmx gets 204, or the form with the problem; a program
    that accepts application/json gets JSON. GET gives htmx the form, and others the page of the alert.

    Refused: no login (401, or the login page), no permission (403), an unknown alert (404), one that is already
    acknowledged (409), a note that is too long (400), a database that does not respond (503).
    """
    if request.method != "POST" and not request.htmx:
        return redirect("alert", event_id)
    # Browsers send a line end as two characters and count it as one towards maxlength (HTML, "constructing the entry list").
    note = request.POST.get("note", "").replace("\r\n", "\n").strip()
    event = None
    try:
        user = await request.auser()
        event = await _find(event_id)
        refusal = await _refusal(user, event, note)
        if refusal is None and request.method == "POST":
            # A conditional update: of two people who acknowledge at once, the second gets the refusal.
            is_first = await AlertEvent.objects.filter(pk=event_id, acknowledged_at__isnull=True).aupdate(
                acknowledged_at=timezone.now(), acknowledged_by=user, note=note
            )
            refusal = None if is_first else await _refusal(user, await _find(event_id), note)
    except DatabaseError as error:
        return await _refuse(request, _no_answer(error), event, note)
    if refusal is not None and refusal.status == 401 and not (request.htmx or _wants_json(request)):
        return HttpResponseRedirect(f"{reverse('login')}?{urlencode({'next': reverse('alert', args=[event_id])})}")
    if refusal is not None:
        return await _refuse(request, refusal, event, note)
    if request.method != "POST":
        return render(request, "monitor/fragments/alerts/acknowledge_form.html", {"event": event})
    runtime().alerts.changed()
    if request.htmx:
        return HttpResponse(status=204, headers={"HX-Trigger": "gpumon:acknowledged"})
    if _wants_json(request):
        return json_response({"id": str(event_id), "acknowledged_by": user.get_username()})
    return HttpResponseRedirect(_way_back(request, event_id))


async def _refusal(user: User | AnonymousUser, event: AlertEvent | None, note: str) -> Refusal | None:
    if not user.is_authenticated:
        return Refusal(401, "You are not logged in", "Log in to acknowledge alerts.")
    if not await user.ahas_perm(MAY_ACKNOWLEDGE):
        reason = f"{user.get_username()} lacks the permission. An administrator can grant it with the operators group."
        return Refusal(403, "You cannot acknowledge alerts", reason)
    if event is None:
        return _UNKNOWN
    if len(note) > LONGEST_NOTE:
        reason = f"The note has {len(note)} characters; the limit is {LONGEST_NOTE}. Shorten it and try again."
        return Refusal(400, "The note is too long", reason)
    if event.acknowledged_at is not None:
        by = PastAlert(event, has_details=True).acknowledged_by
        when = f"{timezone.localtime(event.acknowledged_at):%H:%M:%S %Z on %d %B %Y}"
        return Refusal(409, "Already acknowledged", f"“{event.summary}” was acknowledged by {by} at {when}.")
    return None


async def _find(event_id: UUID) -> AlertEvent | None:
    rows = AlertEvent.objects.select_related("acknowledged_by", "rule").prefetch_related("rule__snoozes")
    return await rows.filter(pk=event_id).afirst()


_UNKNOWN = Refusal(
    404, "No such alert", "It may have been deleted: alerts are kept for the number of days in the settings."
)


def _no_answer(error: DatabaseError) -> Refusal:
    return Refusal(503, "The database does not respond", f"Nothing was changed. Try again in a moment. ({error})")


def _wants_json(request: HttpRequest) -> bool:
    return request.headers.get("Accept") == "application/json"


def _way_back(request: HttpRequest, event_id: UUID) -> str:
    """The page that the form was on, if it is one of this site."""
    back = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure())
    return back if is_ours else reverse("alert", args=[event_id])


async def _refuse(
    request: HtmxRequest, refusal: Refusal, event: AlertEvent | None = None, note: str = ""
) -> HttpResponse:
    """The refusal as JSON, in the form for htmx, or as a page."""
    status, heading, reason = refusal
    if _wants_json(request):
        return json_error(status, f"{heading}. {reason}")
    if request.htmx:
        context = {"event": event, "note": note, "problem": f"{heading}. {reason}"}
        return render(request, "monitor/fragments/alerts/acknowledge_form.html", context, status=status)
    page = StillPage(await first_seen_of_all(request), heading)
    page_context = {"page": page, "heading": heading, "reason": reason, **await base_context(request, None)}
    return render(request, "monitor/refused.html", page_context, status=status)
