"""The ASGI application: `daphne gpumon_site.asgi:application` serves it alone, without a build step before."""

from __future__ import annotations

import logging
import os

import django
from channels.routing import ProtocolTypeRouter
from django.conf import settings
from django.core.asgi import get_asgi_application

from gpumon_site.base_path import BasePath
from gpumon_site.body_limit import BodyLimit
from gpumon_site.claims import Claims
from gpumon_site.daphne_access_log import hide_queries
from gpumon_site.daphne_farewell import close_sockets_at_end
from gpumon_site.daphne_guard import refuse_garbled_root_paths
from gpumon_site.daphne_limits import limit_requests
from gpumon_site.forwarded import TrustedProxies
from gpumon_site.request_id import RequestIds
from gpumon_site.static_build import collect_if_outdated
from gpumon_site.systemd_notify import Systemd, lifespan
from monitor.telemetry.log_output import log_uncaught

_systemd = Systemd.taken_from(os.environ)  # before the first child is started: none is to speak for us
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gpumon_site.settings")
django.setup(set_prefix=False)
logging.captureWarnings(True)  # else Python writes them in two lines of its own, and tracebacks in many
log_uncaught()

from gpumon_site.upgrade import CannotStart, prepare_server  # noqa: E402 - they need Django to be set up

try:
    prepare_server()
except CannotStart as error:
    logging.getLogger(__name__).critical("gpumon does not start: %s", error)
    # The status by which gunicorn's workers say that starting them again would not help; uvicorn's own for a failed start.
    raise SystemExit(3) from None

# Not before: a server that is refused is not to take away the files of the one that runs.
collect_if_outdated()

from gpumon_site.readings_pulse import pulse_of_readings  # noqa: E402
from monitor.access.at_start import at_start  # noqa: E402
from monitor.web import current, sockets  # noqa: E402

# Daphne answers no lifespan events, so importing the application is the server's start; the first request or socket
# starts the loop as well, should a server import it long before it serves.
current.started()
refuse_garbled_root_paths()
limit_requests()
hide_queries()
close_sockets_at_end()
at_start()
_of_gpumon = ProtocolTypeRouter(
    {
        "http": BodyLimit(get_asgi_application()),
        "websocket": sockets.router(),
        "lifespan": lifespan(_systemd, pulse_of_readings(), at_end=current.ended),
    }
)
_of_base_path = BasePath(_of_gpumon, settings.GPU_MONITOR.base_path)
_behind_proxies = TrustedProxies(
    RequestIds(_of_base_path, logs_access=settings.GPU_MONITOR.access_log), settings.GPU_MONITOR.trusted_proxies
)
application = Claims(_behind_proxies, settings.GPU_MONITOR.remote_user_header)
