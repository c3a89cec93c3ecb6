"""The process's file descriptors: raises their limit at the start, and says how many connections fit."""

from __future__ import annotations

import logging
import resource

log = logging.getLogger(__name__)

ENOUGH = 65_536
"""The limit is not raised beyond this. A container engine can allow a billion, and some programs close each possible one."""
_KEPT_FREE = 128
"""For the sampler's pipes, the database, static files and notifications: these must work however many connections there are."""


def raise_limit() -> int:
    """Raise the soft limit to the hard one, up to ENOUGH, and return it. If that is forbidden, the limit stays.

    The default of most systems, 1024, is meant for programs that use select(); fewer connections than that would fill it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return ENOUGH if soft == resource.RLIM_INFINITY else soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError) as error:
        log.debug("cannot raise the limit of open files from %d to %d: %s", soft, wanted, error)
        return soft
    return wanted


def room_for_connections(limit: int) -> int:
    """How many connections fit below a limit of open files."""
    return limit - min(_KEPT_FREE, limit // 4)


def warn_if_sockets_do_not_fit(limit: int, max_sockets: int) -> None:
    """Log a warning if GPU_MONITOR_MAX_SOCKETS promises more than the limit of open files allows."""
    room = room_for_connections(limit)
    if max_sockets > room:
        log.warning(
            "GPU_MONITOR_MAX_SOCKETS=%d is more than fit: this process can open %d files, which is enough for %d connections. "
            "Raise the limit (LimitNOFILE= in a systemd unit, `ulimit -n` in a shell), or lower the setting",
            max_sockets,
            limit,
            room,
        )
