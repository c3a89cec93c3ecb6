"""What every page needs beside its own content: addresses, the server's version, and what the one who looks may do."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple
from urllib.parse import quote

from django.contrib.auth import SESSION_KEY
from django.db import DatabaseError
from django.http import HttpRequest
from django.urls import reverse

from monitor.runtime.process import runtime
from monitor.telemetry.schema import Snapshot
from monitor.web.components.banner import Banner
from monitor.web.components.live_pieces import LivePieces
from monitor.web.components.open_alerts import Level
from monitor.web.components.overview import source_of

MAY_ACKNOWLEDGE = "monitor.acknowledge_alertevent"
log = logging.getLogger(__name__)


async def frame(request: HttpRequest, view: str | None) -> dict[str, Any]:
    """The context of base.html. A page without a view has nothing live, and opens no socket."""
    home = reverse("dashboard")
    is_kiosk = request.GET.get("kiosk") == "1"
    return {
        "home_path": home,
        "socket_path": None if view is None else f"{home}ws/dashboard?view={quote(view)}",
        "version": runtime().version,
        "is_kiosk": is_kiosk,
        **(await _viewer(request, is_kiosk=is_kiosk))._asdict(),
    }


class Viewer(NamedTuple):
    """Who looks."""

    is_known: bool = False
    """Logged in."""
    user_name: str = ""
    has_session: bool = False
    """Can log out here: who is known by a proxy's word logs out there."""
    may_acknowledge: bool = False


async def _viewer(request: HttpRequest, *, is_kiosk: bool) -> Viewer:
    """Without a session's cookie the database is not asked. A wall screen has no controls, whoever logged in there.

    The pages go on while the database does not answer: nobody is known then, and the log says why.
    """
    try:
        user = await request.auser()
        if not user.is_authenticated:
            return Viewer()
        may_acknowledge = not is_kiosk and await user.ahas_perm(MAY_ACKNOWLEDGE)
        return Viewer(
            is_known=True,
            user_name=user.get_username(),
            has_session=await request.session.ahas_key(SESSION_KEY),
            may_acknowledge=may_acknowledge,
        )
    except DatabaseError as error:
        log.warning("who looks at %s is not known, the database does not answer: %s", request.path, error)
        return Viewer()


class StillPage:
    """A page with nothing live on it: an event, a refusal. What the header shows is as it was when it was drawn."""

    def __init__(self, snapshot: Snapshot, title: str) -> None:
        live = LivePieces()
        self.snapshot = snapshot
        self.title = f"{title} · {snapshot.host}"
        self.level: Level = "ok"
        self.source = live.text("source", source_of(snapshot))
        self.banner = Banner(snapshot, live)
