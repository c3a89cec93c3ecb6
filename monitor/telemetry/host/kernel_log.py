"""The Xid errors in the kernel's log, as NVIDIA's driver writes them: NVRM: Xid (PCI:0000:3b:00): 79, pid=…, name=…, …"""

from __future__ import annotations

import errno
import os
import re
import time
from pathlib import Path
from typing import NamedTuple

from monitor.sanitize import plain

KERNEL_LOG = Path("/dev/kmsg")
_XID = re.compile(rb"NVRM: Xid \(PCI:([0-9A-Fa-f]{4,8}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2})[^)]{0,40}\): [^\n]{1,400}")
_PREFIX = re.compile(rb"\d{1,20},\d{1,20},(\d{1,20}),")
"""Of a record, as in the kernel's Documentation/ABI/testing/dev-kmsg: level,number,microseconds,flags;text."""
_RECORD_BYTES = 8192
"""More than the kernel's longest record, for which a smaller buffer fails."""
_MOST_RECORDS = 100_000
"""More than a log of 16 MiB holds. Reading that many takes 0.1 s."""


class XidMessage(NamedTuple):
    """One message about an Xid."""

    at: float
    """Unix seconds, by the host's clock as it is set now. The kernel counts from the boot, and may be off by a few seconds."""
    pci_bus_id: str
    """Of the GPU, without the function: 0000:3b:00."""
    text: str
    """As the driver wrote it. It may name a process."""


def xid_messages(path: Path = KERNEL_LOG) -> list[XidMessage]:
    """Those that the kernel still holds, the oldest first. Never waits.

    Raises OSError where the log cannot be read: by most kernels it takes CAP_SYSLOG, and most containers have no such file.
    """
    booted_at = time.time() - time.monotonic()
    log = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        found = []
        for _ in range(_MOST_RECORDS):
            try:
                record = os.read(log, _RECORD_BYTES)
            except BrokenPipeError:
                continue  # the kernel overwrote the next record; the one after it follows
            except BlockingIOError:
                break
            if not record:
                break
            if (message := _message(record, booted_at)) is not None:
                found.append(message)
        return found
    finally:
        os.close(log)


def why_unreadable(error: OSError) -> str:
    """In words for a page."""
    if error.errno in (errno.EPERM, errno.EACCES):
        return "kernel log not readable: no permission"
    if error.errno == errno.ENOENT:
        return f"kernel log not readable: no {KERNEL_LOG} here"
    return f"kernel log not readable: {error.strerror}"


def _message(record: bytes, booted_at: float) -> XidMessage | None:
    """None if it is about something else, or no record: some containers have a terminal in the place of the log."""
    found, prefix = _XID.search(record), _PREFIX.match(record)
    if found is None or prefix is None:
        return None
    at = booted_at + int(prefix[1]) / 1e6
    return XidMessage(at, found[1].decode().lower(), plain(found[0].decode(errors="replace")))
