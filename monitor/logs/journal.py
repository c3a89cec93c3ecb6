"""Log lines for systemd's journal, which has a time and a priority for each line: sd-daemon(3)."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping

_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
"""syslog's crit, err, warning and info; what is below INFO is debug."""
_DEBUG = 7


def writes_to_journal(environment: Mapping[str, str] = os.environ, *, descriptor: int = 2) -> bool:
    """Whether this file descriptor, standard error, is systemd's stream to the journal: JOURNAL_STREAM in systemd.exec(5).

    The variable alone does not say so, because children inherit it, also those whose output goes elsewhere.
    """
    try:
        opened = os.fstat(descriptor)
    except OSError:
        return False  # closed
    return environment.get("JOURNAL_STREAM") == f"{opened.st_dev}:{opened.st_ino}"


def with_priority(text: str, level: int) -> str:
    """The text with the priority of `level` before each line, which the journal takes as one entry."""
    priority = next((value for least, value in _PRIORITIES if level >= least), _DEBUG)
    return "\n".join(f"<{priority}>{line}" for line in text.split("\n"))
