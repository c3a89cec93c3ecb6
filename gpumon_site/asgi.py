"""The ASGI application: `daphne gpumon_site.asgi:application` serves it alone, without a build step before."""

from __future__ import annotations

import logging
import os

import django
from channels.routing import ProtocolTypeRouter
from django.conf import settings
from django.core.asgi import get_asgi_application

from monitor.http.base_path import BasePath
from monitor.http.body_limit import BodyLimit
from monitor.http.claims import Claims
from monitor.http.proxies import TrustedProxies
from monitor.http.request_id import RequestIds
from monitor.http.static_build import collect_if_outdated
from monitor.logs.output import log_uncaught
from monitor.server.daphne_access_log import hide_queries
from monitor.server.daphne_farewell import close_sockets_at_end
from monitor.server.daphne_guard import refuse_garbled_root_paths
from monitor.server.daphne_limits import limit_requests
from monitor.server.systemd import Systemd, lifespan

_systemd = Systemd.taken_from(os.environ)  # before the first child is started: none is to speak for us
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gpumon_site.settings")
django.setup(set_prefix=False)
logging.captureWarnings(True)  # else Python writes them in two lines of its own, and tracebacks in many
log_uncaught()

from monitor.server.startup import CannotStart, prepare_server  # noqa: E402 - they need Django to be set up

try:
    prepare_server()
except CannotStart as error:
    logging.getLogger(__name__).critical("gpumon does not start: %s", error)
    # The status by which gunicorn's workers say that starting them again would not help; uvicorn's own for a failed start.
    raise SystemExit(3) from None

# Not before: a server that is refused is not to take away the files of the one that runs.
collect_if_outdated()

from monitor.access.startup import at_start  # noqa: E402
from monitor.runtime import process  # noqa: E402
from monitor.server.readings_pulse import pulse_of_readings  # noqa: E402
from monitor.web import routing  # noqa: E402

# Daphne answers no lifespan events, so importing the application is the server's start; the first request or socket
# starts the loop as well, should a server import it long before it serves.
process.started()
refuse_garbled_root_paths()
limit_requests()
hide_queries()
close_sockets_at_end()
at_start()
_of_gpumon = ProtocolTypeRouter(
    {
        "http": BodyLimit(get_asgi_application()),
        "websocket": routing.router(),
        "lifespan": lifespan(_systemd, pulse_of_readings(), at_end=process.ended),
    }
)
_of_base_path = BasePath(_of_gpumon, settings.GPU_MONITOR.base_path)
_behind_proxies = TrustedProxies(
    RequestIds(_of_base_path, logs_access=settings.GPU_MONITOR.access_log), settings.GPU_MONITOR.trusted_proxies
)
application = Claims(_behind_proxies, settings.GPU_MONITOR.remote_user_header)
