"""The server's own time zone. Django sets the process to the zone of its settings, so these have to begin with it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def server_time_zone(environment: Mapping[str, str] = os.environ, etc: Path = Path("/etc")) -> str:
    """The name of the zone, such as Europe/Berlin: by the variable TZ, /etc/localtime or /etc/timezone, else UTC."""
    return next(filter(_is_known, _candidates(environment, etc)), "UTC")


def _candidates(environment: Mapping[str, str], etc: Path) -> Iterator[str]:
    yield _name_in(environment.get("TZ", "").removeprefix(":"))
    localtime = etc / "localtime"
    if localtime.is_symlink():
        yield _name_in(str(localtime.readlink()))
    try:
        yield (etc / "timezone").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return  # only some systems have it


def _name_in(path: str) -> str:
    """Europe/Berlin of /usr/share/zoneinfo/Europe/Berlin, and of itself."""
    return path.rpartition("zoneinfo/")[2]


def _is_known(name: str) -> bool:
    """Rules such as CET-1CEST are no names, and a slim container has no zones at all."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
