"""`gpumon agent` reads the GPUs of this host and sends the readings to a hub. Without Django, a database or pages."""

from __future__ import annotations

import argparse
import logging.config
import os
import socket
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from monitor.config.declarations import PREFIX
from monitor.config.host_id import kept_host_id
from monitor.config.hosts import is_loopback
from monitor.config.loading import load_config
from monitor.config.model import Config
from monitor.config.sampling import idle_limits_of, sampler_options
from monitor.config.secret_key import prepare_data_dir
from monitor.fleet.agent.agent_key import AgentKey
from monitor.fleet.agent.uplink import Uplink
from monitor.fleet.machine import BOOT_ID, MACHINE_ID, fingerprint
from monitor.fleet.protocol import PROTOCOL, Hello
from monitor.logs.config import logging_config
from monitor.private_file import reason_of
from monitor.sanitize import plain
from monitor.server.data_lock import DataDirTaken, lock_data_dir
from monitor.server.end_signals import set_at_the_end
from monitor.server.hangup import end_with_terminal
from monitor.server.systemd import READY, STOPPING, Systemd
from monitor.telemetry.host.system import SystemMetrics
from monitor.telemetry.options import Options
from monitor.telemetry.pulse import Pulse
from monitor.telemetry.sampler.supervisor import Supervisor
from monitor.version import __version__

log = logging.getLogger(__name__)


def agent(given: Sequence[str]) -> int:
    """Run until SIGTERM, Ctrl-C or the end of its terminal. Returns the exit status; SystemExit with one line if it cannot run."""
    args = _parser().parse_args(given)
    for name, value in (("HUB", args.hub), ("HUB_CODE", args.code), ("HUB_CODE_FILE", args.code_file)):
        if value is not None:
            os.environ[PREFIX + name] = value
    systemd = Systemd.taken_from(os.environ)  # before the sampler starts: it must not inherit the socket
    config = load_config()
    if config.hub is None:
        raise SystemExit(f"gpumon: the hub's address is missing: --hub https://gpus.example.org, or {PREFIX}HUB")
    prepare_data_dir(config.data_dir)
    logging.config.dictConfig(logging_config(config.log_format, config.log_level, config.secret_values()))
    try:
        lock = lock_data_dir(config.data_dir)
    except DataDirTaken as error:
        raise SystemExit(f"gpumon: {error}; give the agent a folder of its own ({PREFIX}DATA_DIR)") from None
    except OSError as error:
        raise SystemExit(f"gpumon: {PREFIX}DATA_DIR={config.data_dir}: {reason_of(error, config.data_dir)}") from None
    with lock:
        _run(config, config.hub, plain(args.name or socket.gethostname()), systemd)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gpumon agent",
        description="Read the GPUs of this host and send the readings to a hub, which is another gpumon.",
        epilog="The hub's admin shows the whole command: Settings, Hosts, Add. The code is needed once; the agent keeps a key in "
        "its data folder. Readings are set as on a server (GPU_MONITOR_POLL_INTERVAL_MS, …); command lines are not sent unless "
        "GPU_MONITOR_SHOW_COMMANDS says so.",
    )
    parser.add_argument("--hub", metavar="URL", help=f"the hub's address (or {PREFIX}HUB)")
    parser.add_argument("--code", help=f"the one-time code (or {PREFIX}HUB_CODE)")
    parser.add_argument("--code-file", metavar="FILE", help=f"a file with the code (or {PREFIX}HUB_CODE_FILE)")
    parser.add_argument("--name", help="what the hub calls this host at first (default: the host's name)")
    return parser


def _run(config: Config, hub: str, name: str, systemd: Systemd) -> None:
    host_id = kept_host_id(config.data_dir)
    options = agent_options(config)
    site = urlsplit(hub)
    if site.scheme == "http" and not is_loopback(site.hostname or ""):
        log.warning("the hub's address begins with http://: the agent's key and its readings can be read on the way")

    def hello() -> Hello:
        return Hello(
            protocol=PROTOCOL,
            version=__version__,
            host_id=host_id,
            host=name[:255],
            machine=fingerprint(MACHINE_ID),
            boot=fingerprint(BOOT_ID),
            sent_at=time.time(),
            code=_code_of(config),
        )

    def set_interval(seconds: float | None) -> None:
        longest = max(options.interval_seconds, seconds or 0.0)
        supervisor.set_options(msgspec.structs.replace(options, interval_seconds=longest))

    uplink = Uplink(hub, hello, AgentKey(config.data_dir), on_interval=set_interval)
    limits = idle_limits_of(config)
    supervisor = Supervisor(
        options,
        uplink.take,
        host=name,
        host_id=host_id,
        timeout_seconds=config.sampler_timeout_ms / 1000,
        system=SystemMetrics().read if config.enable_system_metrics else None,
        idle=lambda: limits,
    )
    is_over = threading.Event()
    set_at_the_end(is_over)
    end_with_terminal()
    log.info("gpumon %s agent: sending the readings of %s to %s", __version__, name, hub)
    uplink.start()
    supervisor.start()
    systemd.notify(READY)  # also while the hub cannot be reached: readings are kept for it
    pulse = Pulse(lambda: uplink.taken_at, lambda: supervisor.options.interval_seconds)
    systemd.signal_watchdog_until(is_over, lambda: uplink.is_running and pulse())
    systemd.notify(STOPPING)
    uplink.stop()
    supervisor.stop()


def agent_options(config: Config) -> Options:
    """The sampler's options. Command lines stay on the host unless its settings say otherwise."""
    options = sampler_options(config)
    is_default = config.source_of("show_commands") == "default"
    return msgspec.structs.replace(options, show_commands="name") if is_default else options


def _code_of(config: Config) -> str | None:
    """Read at each handshake: a mounted secret can come later, or be gone once the agent has its key."""
    if config.hub_code is not None:
        return config.hub_code.get_secret_value().strip()
    return _first_line(config.hub_code_file) if config.hub_code_file is not None else None


def _first_line(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip()[:200] or None
    except (OSError, UnicodeDecodeError) as error:
        log.warning("the file with the code cannot be read: %s", error)
        return None
