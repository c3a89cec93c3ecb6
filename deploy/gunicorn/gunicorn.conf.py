"""gunicorn for gpumon: `gunicorn -c deploy/gunicorn/gunicorn.conf.py` from the project's folder. One worker, uvicorn inside.

Needs requirements-gunicorn.lock beside requirements.lock. Where it listens: GPU_MONITOR_HOST and GPU_MONITOR_PORT, as
without gunicorn, or a Unix socket (docs/deployment.md).
"""

import os
from typing import Any, ClassVar

from gunicorn.arbiter import Arbiter
from uvicorn_worker import UvicornWorker

from monitor.config.loading import load_config
from monitor.logs.config import logging_config
from monitor.server.systemd import STOPPING, Systemd

_config = load_config()
_host = f"[{_config.host}]" if ":" in _config.host else _config.host


class Worker(UvicornWorker):
    """The worker, with limits: gunicorn's own for headers do not reach uvicorn."""

    CONFIG_KWARGS: ClassVar[dict[str, Any]] = {
        "loop": "auto",
        # h11 and not httptools: only it holds clients to a size of headers (of request line and headers together).
        "http": "h11",
        "h11_max_incomplete_event_size": 32 * 1024,
        "ws_max_size": 64 * 1024,
        "ws_max_queue": 4,
        # gpumon's own list says whose X-Forwarded-… is believed; uvicorn would believe whoever comes from 127.0.0.1.
        "proxy_headers": False,
        "server_header": False,
        "timeout_graceful_shutdown": 5,
    }

    def load_wsgi(self) -> None:
        """Load gpumon. Where that ends with a word of its own (a data folder that cannot be written), trying again does not help:
        the status says so, or the master would start one worker after another for ever.
        """
        try:
            super().load_wsgi()
        except SystemExit as ended:
            if ended.code != Arbiter.WORKER_BOOT_ERROR:
                self.log.error("%s", ended.code)
            raise SystemExit(Arbiter.WORKER_BOOT_ERROR) from None


wsgi_app = "gpumon_site.asgi:application"
bind = f"{_host}:{_config.port}"
# Of a Unix socket: whoever may open it is believed as the proxy (GPU_MONITOR_TRUSTED_PROXIES=unix), so not everybody may. A web
# server of another user has to be in this one's group.
umask = 0o007
worker_class = Worker
# One: the readings, the alerts and the last 15 minutes live in the process. A second would read the driver a second time
# and send each message twice. One serves thousands of viewers.
workers = 1
# Never by number of requests: a worker that ends takes all open pages with it.
max_requests = 0
# A worker whose event loop says nothing for so long is ended and replaced.
timeout = 30
graceful_timeout = 8
keepalive = 15
# As GPU_MONITOR_LOG_FORMAT and _LEVEL say, gunicorn's own records too. Without its access log: gpumon has one.
logconfig_dict = logging_config(_config.log_format, _config.log_level, _config.secret_values())
# Where the worker keeps its sign of life; on a disk it can wait for the disk.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112, S108
# No socket to steer it by: systemd does.
control_socket_disable = True

# gunicorn would tell systemd that it is ready when its master has started; the service is when the worker serves. So the
# master gets no socket to tell it by, and the worker does.
_notify = {name: os.environ[name] for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID") if name in os.environ}
_systemd = Systemd.taken_from(os.environ)


def post_fork(server, worker):
    """In the worker, before it loads gpumon."""
    os.environ.update(_notify)


def on_exit(server):
    """In the master, when it ends. (Not in the worker: one that is replaced ends without the service's end.)"""
    _systemd.tell(STOPPING)
