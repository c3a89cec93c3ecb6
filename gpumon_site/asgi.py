"""The ASGI application. Importing this module starts gpumon, because daphne (`daphne gpumon_site.asgi:application`) sends no
lifespan events. The order of the imports below matters.
"""

from __future__ import annotations

import logging
import os
import sys

import django
from channels.routing import ProtocolTypeRouter
from django.conf import settings

from monitor.http.base_path import BasePath
from monitor.http.body_limit import BodyLimit
from monitor.http.django_handler import Handler
from monitor.http.hosts import HostCheck
from monitor.http.proxies import TrustedProxies
from monitor.http.request_id import RequestIds
from monitor.logs.output import log_uncaught
from monitor.server.lifespan import lifespan
from monitor.server.systemd import Systemd

# First, because it removes systemd's variables: no child process may report in the name of this one.
_systemd = Systemd.taken_from(os.environ)
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gpumon_site.settings")
django.setup(set_prefix=False)
logging.captureWarnings(True)  # otherwise Python prints them, on lines that are no log records
log_uncaught()

# Only now: these import models, which need Django to be set up.
from monitor.access.link_paths import LinkPaths  # noqa: E402
from monitor.server.startup import start_server  # noqa: E402
from monitor.web.routing import router  # noqa: E402

_runtime = start_server()
# `daphne gpumon_site.asgi:application` creates its server after this import, from an attribute of its command line.
if "daphne.cli" in sys.modules:
    from daphne.cli import CommandLineInterface

    from monitor.server.daphne import Server

    CommandLineInterface.server_class = Server
_config = settings.GPU_MONITOR
_protocols = ProtocolTypeRouter(
    {
        "http": BodyLimit(Handler()),
        "websocket": router(),
        "lifespan": lifespan(_systemd, _runtime.pulse(), at_end=_runtime.stop),
    }
)
_checked = HostCheck(BasePath(LinkPaths(_protocols), _config.base_path), settings.SERVED_HOSTS)
application = TrustedProxies(
    RequestIds(_checked, logs_access=_config.access_log),
    _config.trusted_proxies,
    remote_user_header=_config.remote_user_header,
)
