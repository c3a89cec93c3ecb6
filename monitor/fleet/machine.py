"""Fingerprints of this machine, by which a hub tells a copied virtual machine and a reinstalled host from others."""

from __future__ import annotations

import hashlib
from pathlib import Path

MACHINE_ID = Path("/etc/machine-id")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def fingerprint(path: Path) -> str | None:
    """A hash of the id in this file, 32 hexadecimal digits; None without an id. The id itself must stay secret: machine-id(5)."""
    try:
        found = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    if not found or found == "uninitialized":  # machine-id(5): the first boot of an image
        return None
    return hashlib.sha256(f"gpumon {found}".encode()).hexdigest()[:32]
