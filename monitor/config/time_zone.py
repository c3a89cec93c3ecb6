"""The server's time zone, by name: Django sets the process to the zone of its settings, which default to UTC otherwise."""

from __future__ import annotations

import logging
from collections.abc import Callable
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import tzlocal

log = logging.getLogger(__name__)


def server_time_zone(find: Callable[[], str | None] = tzlocal.get_localzone_name) -> str:
    """The zone's name, such as Europe/Berlin. If the host configures none, or one that Python does not know, UTC with a warning."""
    try:
        name = find()
        if name is not None:
            ZoneInfo(name)
            return name
        reason = "this host configures none by name"
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        reason = " ".join(str(error).split())
    log.warning("gpumon: no time zone, so times are in UTC; set TZ, such as TZ=Europe/Berlin (%s)", reason)
    return "UTC"
