"""The Runtime of this process, for code that Django calls and that can be handed nothing: views, consumers and the admin."""

from __future__ import annotations

import threading

from django.conf import settings

from monitor.config.host_id import kept_host_id
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
            config = settings.GPU_MONITOR
            _current = Runtime(config, version=f"{__version__}-{build_id()}", host_id=kept_host_id(config.data_dir))
        return _current


def set_runtime(made: Runtime | None) -> None:
    """Make this the current Runtime, for a test or another way to serve; None: the next use makes one as usual."""
    global _current
    with _lock:
        _current = made
