"""Command lines of the servers that deploy/ supports."""

from __future__ import annotations

import sys
from collections.abc import Callable

from tests.support.servers import ROOT, Server

GUNICORN = [sys.executable, "-m", "gunicorn", "-c", str(ROOT / "deploy" / "gunicorn" / "gunicorn.conf.py")]
COMMANDS = {"daphne": None, "gunicorn": GUNICORN}
"""None means `manage.py serve`, which runs daphne."""

StartServer = Callable[..., Server]
"""The fixture `start_server`."""
