"""The Runtime of this process, for code that Django calls and that can be handed nothing: views, consumers and the admin."""

from __future__ import annotations

import threading

from django.conf import settings

from monitor.http.static_files import build_id
from monitor.runtime.runtime import Runtime
from monitor.version import __version__

_current: Runtime | None = None
_lock = threading.Lock()


def runtime() -> Runtime:
    """The current Runtime. If none was set, one is made with Django's settings. It is not started: gpumon_site.asgi does that."""
    global _current
    with _lock:
        if _current is None:
            _current = Runtime(settings.GPU_MONITOR, version=f"{__version__}-{build_id()}")
        return _current


def set_runtime(made: Runtime | None) -> None:
    """Make this the current Runtime, for a test or another way to serve; None: the next use makes one as usual."""
    global _current
    with _lock:
        _current = made
