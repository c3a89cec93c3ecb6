"""gunicorn for gpumon: `gunicorn -c deploy/gunicorn/gunicorn.conf.py` in the project's folder. One worker, which runs uvicorn.

Requires requirements-gunicorn.lock. It listens on GPU_MONITOR_HOST and GPU_MONITOR_PORT, as without gunicorn, or on a Unix
socket (docs/deployment.md).
"""

import os
from typing import Any, ClassVar

from gunicorn.arbiter import Arbiter
from uvicorn_worker import UvicornWorker

from monitor.config.loading import load_config
from monitor.logs.config import logging_config
from monitor.server.descriptors import raise_limit, room_for_connections
from monitor.server.systemd import STOPPING, Systemd
from monitor.server.uvicorn import HttpConnections, WebSocketConnection

_config = load_config()
_host = f"[{_config.host}]" if ":" in _config.host else _config.host


class Worker(UvicornWorker):
    """Sets uvicorn's limits: gunicorn's limits for headers do not apply to uvicorn."""

    CONFIG_KWARGS: ClassVar[dict[str, Any]] = {
        "loop": "auto",
        # On h11 and not httptools, because only h11 limits the size of headers (request line and headers together).
        "http": HttpConnections(room_for_connections(raise_limit())),
        "h11_max_incomplete_event_size": 32 * 1024,
        "ws": WebSocketConnection,
        # Otherwise each message is compressed again for each viewer: at 1000 viewers, that is 9 times the CPU.
        "ws_per_message_deflate": False,
        "ws_max_size": 64 * 1024,
        "ws_max_queue": 4,
        # GPU_MONITOR_TRUSTED_PROXIES decides whose X-Forwarded-… is trusted; uvicorn would trust any client from 127.0.0.1.
        "proxy_headers": False,
        "server_header": False,
        "timeout_graceful_shutdown": 5,
    }

    def load_wsgi(self) -> None:
        """Load gpumon. If it exits with an error (such as a data folder that is not writable), retrying does not help. The exit
        status stops the master, which would otherwise start workers forever.
        """
        try:
            super().load_wsgi()
        except SystemExit as ended:
            if ended.code != Arbiter.WORKER_BOOT_ERROR:
                self.log.error("%s", ended.code)
            raise SystemExit(Arbiter.WORKER_BOOT_ERROR) from None


wsgi_app = "gpumon_site.asgi:application"
bind = f"{_host}:{_config.port}"
# For a Unix socket: with GPU_MONITOR_TRUSTED_PROXIES=unix, any client that can open it counts as the proxy, so only user and group
# can. The web server's user must be in this user's group.
umask = 0o007
worker_class = Worker
# One worker: readings, alerts and the last 15 minutes are in the process. A second worker would read the driver again and
# send each notification twice. One serves thousands of viewers.
workers = 1
# Never restart after a number of requests: that would disconnect all open pages.
max_requests = 0
# Replace a worker whose event loop is blocked for this long (seconds).
timeout = 30
graceful_timeout = 8
keepalive = 15
# GPU_MONITOR_LOG_FORMAT and _LEVEL apply to gunicorn's records too. Its access log is off, because gpumon has its own.
logconfig_dict = logging_config(_config.log_format, _config.log_level, _config.secret_values())
# The heartbeat file goes into memory, because writing it to a disk can block.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112, S108
# systemd controls it, so it needs no control socket.
control_socket_disable = True

# gunicorn reports READY=1 to systemd when its master has started, but the service is ready when the worker serves. So the worker
# gets the notify socket, and the master does not.
_notify = {name: os.environ[name] for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID") if name in os.environ}
_systemd = Systemd.taken_from(os.environ)


def post_fork(server, worker):
    """Runs in the worker, before it loads gpumon."""
    os.environ.update(_notify)


def on_exit(server):
    """Runs in the master when it exits. (A worker can also exit because it is replaced, while the service goes on.)"""
    _systemd.notify(STOPPING)
