"""Names of users. They may come from a directory service (LDAP, SSSD) that takes seconds to answer or does not."""

from __future__ import annotations

import pwd

from monitor.sanitize import plain
from monitor.telemetry.host.background_lookups import BackgroundLookups

KNOWN_SECONDS = 3600.0
UNKNOWN_SECONDS = 300.0
"""How long "there is no such user" is valid: the directory may only have been away."""
_THREADS = 8


class UserNames:
    """Used in one thread."""

    def __init__(self) -> None:
        self._names = BackgroundLookups(
            _name_of,
            seconds_valid=lambda name: KNOWN_SECONDS if name else UNKNOWN_SECONDS,
            most_threads=_THREADS,
        )

    def begin(self, now: float) -> None:
        """A new reading, at `now` of a monotonic clock."""
        self._names.begin(now)

    def name_of(self, uid: int) -> str:
        """The user's name; the number while it is not known, or if there is no such user."""
        return self._names.get(uid) or str(uid)


def _name_of(uid: int) -> str:
    """Empty if there is no such user."""
    try:
        name = pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError, OSError):
        return ""
    # Python decodes invalid bytes to lone surrogates, which no encoder accepts.
    return plain(name.encode(errors="surrogateescape").decode(errors="replace"))
