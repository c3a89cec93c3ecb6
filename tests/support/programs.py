"""The programs that some tests need, and the packages of Debian and Ubuntu they come from."""

from __future__ import annotations

import os
import shutil

PACKAGES = {
    "gcc": "gcc libc6-dev",
    "chromium": "chromium",
    "nginx": "nginx-light",
    "openssl": "openssl",
    "psql": "postgresql",
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "redis-server": "redis-server",
    "strace": "strace",
    "systemd-analyze": "systemd",
}


def missing_programs() -> str | None:
    """One line about those that are not installed, for the start of a test run; None if all are."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin"
    found = {name for name in PACKAGES if shutil.which(name, path=path)}
    if shutil.which("chromium-headless-shell", path=path):
        found.add("chromium")
    missing = [name for name in PACKAGES if name not in found]
    if not missing:
        return None
    packages = " ".join(PACKAGES[name] for name in missing)
    return f"not installed, and needed by some tests: {', '.join(missing)} (Debian, Ubuntu: apt install {packages})"
