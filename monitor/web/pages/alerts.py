"""The pages of alerts, and acknowledging one: by a form without JavaScript, by fetch with it."""

from __future__ import annotations

from urllib.parse import urlencode
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from monitor.access.middleware import takes_token
from monitor.access.responses import json_error, json_response
from monitor.access.visitor import visitor_of
from monitor.live.pieces import LivePage, Pieces
from monitor.models import AlertEvent
from monitor.rules.description import lines_of
from monitor.runtime.process import runtime
from monitor.telemetry.schema import Snapshot
from monitor.web.components.banner import Banner
from monitor.web.components.live_pieces import LivePieces
from monitor.web.components.open_alerts import WORST_FIRST, counted_in_words, open_alerts_part
from monitor.web.components.overview import notices_part, source_of, trouble
from monitor.web.pages.alert_history import PastAlert, Wanted, history
from monitor.web.pages.base_context import MAY_ACKNOWLEDGE, StillPage, frame
from monitor.web.snapshots import first_seen

LONGEST_NOTE = 1000
"""Characters, as the form says too."""


class AlertsPage:
    """Everything live on the page of alerts: the open ones. The history below comes from the database."""

    def __init__(self, snapshot: Snapshot) -> None:
        live = LivePieces()
        self.snapshot = snapshot
        self.source = live.text("source", source_of(snapshot))
        self.notices = notices_part(snapshot, live)
        self.banner = Banner(snapshot, live)
        self.open_count = live.text("open-count", counted_in_words(snapshot.alerts) or "none")
        self.open_alerts = open_alerts_part(snapshot, live)
        what, self.level = trouble(snapshot)
        self.title = f"{what} · {snapshot.host}" if what else f"Alerts · {snapshot.host}"
        self.pieces = Pieces(live.parts, live.values, self.title, self.level)


LIVE_PAGE = LivePage("alerts", lambda snapshot: AlertsPage(snapshot).pieces, has_charts=False)


@never_cache
@require_safe
async def alerts(request: HttpRequest) -> HttpResponse:
    """All alerts: the open ones live, and the page of the history that the address asks for."""
    snapshot = await first_seen(request)
    wanted = Wanted.of(request.GET)
    has_details, open_now = visitor_of(request).sees_details, [alert.id for alert in snapshot.alerts]
    context = {
        "page": AlertsPage(snapshot),
        "wanted": wanted,
        "history": await sync_to_async(history)(wanted, has_details=has_details, open_now=open_now),
        "severities": WORST_FIRST,
        **await frame(request, LIVE_PAGE.name),
    }
    return render(request, "monitor/alerts.html", context)


@never_cache
@require_safe
async def alert(request: HttpRequest, event_id: UUID) -> HttpResponse:
    """One event, open or over, with the rule as it was when it fired."""
    try:
        event = await _find(event_id)
    except DatabaseError as error:
        return await _refuse(request, 503, *_no_answer(error))
    if event is None:
        return await _refuse(request, 404, *_unknown())
    snapshot = await first_seen(request)
    context = {
        "page": StillPage(snapshot, event.summary),
        "past": PastAlert(event, has_details=visitor_of(request).sees_details),
        "rule_then": lines_of(event.rule_then),
        **await frame(request, None),
    }
    return render(request, "monitor/alert.html", context)


@takes_token("acknowledge")
@never_cache
@require_POST
async def acknowledge(request: HttpRequest, event_id: UUID) -> HttpResponse:
    """Note that somebody has seen an alert. Answers with a redirect back, or to `Accept: application/json` with JSON.

    Refused are: nobody logged in (the login page, 401), no permission (403), an unknown event (404), one that is
    acknowledged (409), a note that is too long (400), a database that does not answer (503).
    """
    # Forms send a line's end as two characters, and count it as one towards their limit (HTML, "constructing the entry list").
    note = request.POST.get("note", "").replace("\r\n", "\n").strip()
    try:
        user = await request.auser()
        if not user.is_authenticated:
            if _wants_json(request):
                return json_error(401, "Log in to acknowledge alerts.")
            back = urlencode({"next": reverse("alert", args=[event_id])})
            return HttpResponseRedirect(f"{reverse('login')}?{back}")
        if not await user.ahas_perm(MAY_ACKNOWLEDGE):
            return await _refuse(
                request,
                403,
                "You may not acknowledge alerts",
                f"{user.get_username()} lacks the permission to: an administrator gives it, by the group of operators.",
            )
        if len(note) > LONGEST_NOTE:
            told = f"The note has {len(note)} characters; up to {LONGEST_NOTE} are kept. Shorten it and try again."
            return await _refuse(request, 400, "The note is too long", told)
        # In the row itself: of two who press at once one is first, and the other is told so.
        is_first = await AlertEvent.objects.filter(pk=event_id, acknowledged_at__isnull=True).aupdate(
            acknowledged_at=timezone.now(), acknowledged_by=user, note=note
        )
        event = await _find(event_id)
    except DatabaseError as error:
        return await _refuse(request, 503, *_no_answer(error))
    if event is None:
        return await _refuse(request, 404, *_unknown())
    if not is_first:
        told = f"“{event.summary}” was acknowledged by {PastAlert(event, has_details=True).acknowledged_by}"
        at = event.acknowledged_at
        when = "" if at is None else f" at {at:%H:%M:%S} UTC on {at:%d %B %Y}"
        return await _refuse(request, 409, "It is acknowledged already", f"{told}{when}.")
    runtime().alerts.changed()
    if _wants_json(request):
        return json_response({"id": str(event_id), "acknowledged_by": user.get_username()})
    return HttpResponseRedirect(_way_back(request, event_id))


async def _find(event_id: UUID) -> AlertEvent | None:
    return await AlertEvent.objects.select_related("acknowledged_by").filter(pk=event_id).afirst()


def _unknown() -> tuple[str, str]:
    return "There is no such alert", "It may be gone by now: alerts are kept for as many days as the settings say."


def _no_answer(error: DatabaseError) -> tuple[str, str]:
    return "The database does not answer", f"Nothing was changed. Try again in a moment. It says: {error}"


def _wants_json(request: HttpRequest) -> bool:
    return request.headers.get("Accept") == "application/json"


def _way_back(request: HttpRequest, event_id: UUID) -> str:
    """Where the form was, if that is a page of ours."""
    back = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure())
    return back if is_ours else reverse("alert", args=[event_id])


async def _refuse(request: HttpRequest, status: int, heading: str, reason: str) -> HttpResponse:
    """A page that says what cannot be, or the same as JSON."""
    if _wants_json(request):
        return json_error(status, f"{heading}. {reason}")
    page = StillPage(await first_seen(request), heading)
    context = {"page": page, "heading": heading, "reason": reason, **await frame(request, None)}
    return render(request, "monitor/refused.html", context, status=status)
