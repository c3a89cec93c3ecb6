"""The mail addresses of the GPUs' users, made from their usernames by GPU_MONITOR_REPORT_ADDRESS."""

from __future__ import annotations

import re

PLACEHOLDER = "{user}"
_MOST_LOCAL_CHARACTERS = 64
"""RFC 5321, 4.5.3.1.1."""
_USER = re.compile(r"\A(?![0-9]+$)[A-Za-z0-9_][A-Za-z0-9_+-]*(?:\.[A-Za-z0-9_+-]+)*")
"""Plain characters of a dot-string (RFC 5321, 4.1.2). A number stands for a user whose name is unknown."""


def address_of(user: str, template: str) -> str | None:
    """The user's address; None if the name would make none, or one that leads elsewhere."""
    address = template.replace(PLACEHOLDER, user)
    is_short = len(address.rpartition("@")[0]) <= _MOST_LOCAL_CHARACTERS
    return address if is_short and _USER.fullmatch(user) else None
