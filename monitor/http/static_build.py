"""Static files under hashed names: collected into the data folder at the first start, again when one has changed."""

from __future__ import annotations

import fcntl
import hashlib
from importlib.metadata import version
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command

from monitor.version import __version__

_STAMP = "sources.sha256"


def collect_if_outdated() -> bool:
    """Bring STATIC_ROOT up to date; says whether there was something to do. Needs `django.setup()` before it.

    The server does this itself so that it can be started alone: no build step to forget. With DEBUG on, files are
    served from where they lie and nothing is collected.
    """
    if settings.DEBUG:
        return False
    root = Path(settings.STATIC_ROOT)
    root.mkdir(parents=True, exist_ok=True)
    stamp = root / _STAMP
    # Two servers that start together: one collects, the other waits and finds it done.
    with (root.parent / f"{root.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        fingerprint = _fingerprint()
        if stamp.exists() and stamp.read_text() == fingerprint:
            return False
        # Cleared first: a file replaced by an older one would pass for unchanged (collectstatic compares times).
        call_command("collectstatic", interactive=False, verbosity=0, clear=True)
        stamp.write_text(fingerprint)
        return True


def build_id() -> str:
    """Eight digits that differ when a style or script differs; the version alone does not tell while developing."""
    stamp = Path(settings.STATIC_ROOT) / _STAMP
    is_collected = not settings.DEBUG and stamp.exists()
    return (stamp.read_text() if is_collected else _fingerprint())[:8]  # the start has just looked at all the files


def _fingerprint() -> str:
    """Of names, sizes and times, not contents: about 200 files are looked at on every start."""
    versions = f"{__version__} {version('django')} {version('servestatic')}"
    digest = hashlib.sha256(f"{versions} {settings.STATIC_URL}\n".encode())
    for finder in get_finders():
        for path, storage in sorted(finder.list(None), key=lambda found: found[0]):
            facts = Path(storage.path(path)).stat()
            digest.update(f"{path} {facts.st_size} {facts.st_mtime_ns}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()
