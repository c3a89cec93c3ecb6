"""`gpumon free` prints free GPUs for CUDA; `gpumon wait` starts a command on them as soon as there are enough. Without Django."""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from monitor import formats
from monitor.config.loading import load_config
from monitor.config.model import Config
from monitor.config.sampling import idle_limits_of
from monitor.management.free_sources import Driver, NoAnswer, Refused, Server, Source, Unknown
from monitor.management.gpu_claims import Claims
from monitor.sanitize import visible
from monitor.telemetry.free.choice import FreeGpu, FreeGpus
from monitor.telemetry.free.wanted import Wanted, count_of, memory_of, seconds_of
from monitor.telemetry.options import Options

TOO_FEW = 1
FAILED = 2
NOT_EXECUTABLE, NOT_FOUND = 126, 127
"""As in shells."""
SERVER_VARIABLE, TOKEN_VARIABLE = "GPUMON_SERVER", "GPUMON_TOKEN"  # the name, not a token  # nosec
_WATCH_MARGIN_SECONDS = 3.0
Found = TypeVar("Found")
_EVERYWHERE = {"0.0.0.0", "::", ""}  # noqa: S104  # addresses to listen on, replaced by the loopback  # nosec


def free(given: Sequence[str]) -> int:
    """Print the value of CUDA_VISIBLE_DEVICES. Returns the exit status: 0, 1 with too few GPUs, 2 if that cannot be found out."""
    args = _parser("free", "Print free GPUs as the value of CUDA_VISIBLE_DEVICES.").parse_args(given)
    wanted = _wanted(args)

    def find(source: Source) -> int:
        found = _watch(source, wanted)
        if not found.is_enough:
            return _say(found.reason or "", TOO_FEW)
        if found.cuda_device_order:
            _say("these are indexes: set CUDA_DEVICE_ORDER=PCI_BUS_ID as well", 0)
        print(found.cuda_visible_devices)  # noqa: T201
        return 0

    return _with_source(args, wanted, find)


def wait(given: Sequence[str]) -> int:
    """Replace this process by the command when its GPUs are free. Returns an exit status only if that does not happen."""
    parser = _parser("wait", "Start a command when GPUs are free, with CUDA_VISIBLE_DEVICES set to them.")
    parser.usage = "gpumon wait [-h] [--count N] [--memory SIZE] [--idle-for TIME] [--timeout TIME] -- COMMAND …"
    parser.add_argument("--timeout", type=_of(seconds_of), metavar="TIME", help="give up after this long: 90s, 8h")
    before, command = _split(given)
    args = parser.parse_args(before)
    if not command:
        parser.error("a command is missing: gpumon wait --count 2 -- python train.py")
    program = shutil.which(command[0])
    if program is None:
        return _say(f"{command[0]}: command not found", NOT_FOUND)
    wanted = _wanted(args)
    claims = Claims()

    def find(source: Source) -> FreeGpus | int:
        return _wait(source, wanted, claims, args.timeout)

    found = _with_source(args, wanted, find)
    return found if isinstance(found, int) else _replace(program, command, found, claims)


def _parser(name: str, description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"gpumon {name}", description=description, epilog=_EPILOG)
    parser.add_argument("--count", type=_of(count_of), default=1, metavar="N", help="how many GPUs (default 1)")
    parser.add_argument(
        "--memory", type=_of(memory_of), default=0, metavar="SIZE", help="minimum free memory of each: 20GiB"
    )
    parser.add_argument(
        "--idle-for",
        type=_of(seconds_of),
        default=0.0,
        metavar="TIME",
        help="minimum time each has been free: 60s, 5min",
    )
    parser.add_argument(
        "--exclude", default="", metavar="GPUS", help="GPUs to leave out: indexes or UUIDs, separated by commas"
    )
    parser.add_argument("--server", metavar="URL", help=f"the gpumon to ask (or {SERVER_VARIABLE})")
    return parser


_EPILOG = (
    "Asks the gpumon server on this host, at the address in its settings; reads the driver if no server answers. "
    f"{TOKEN_VARIABLE} is an API token of the scope `read`, for a server that requires a login."
)


def _of(parse: Callable[[str], int] | Callable[[str], float]) -> Callable[[str], float]:
    def parsed(text: str) -> float:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error).partition("; ")[2]) from error

    return parsed


def _wanted(args: argparse.Namespace) -> Wanted:
    excluded = frozenset(name.strip() for name in args.exclude.split(",")) - {""}
    return Wanted(args.count, args.memory, args.idle_for, excluded)


def _split(given: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    at = list(given).index("--") if "--" in given else len(given)
    return given[:at], given[at + 1 :]


def _say(text: str, status: int) -> int:
    print(f"gpumon: {visible(text)}", file=sys.stderr)  # noqa: T201
    return status


# ── Sources ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _with_source(args: argparse.Namespace, wanted: Wanted, find: Callable[[Source], Found]) -> Found | int:
    """Ask the server or the driver, and end whatever was started for it."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    source: Source | None = None
    try:
        source = _source(args.server or os.environ.get(SERVER_VARIABLE), wanted)
        return find(source)
    except NoAnswer as error:
        return _say(str(error), FAILED)
    except Unknown as error:
        return _say(f"it is not known which GPUs are free: {error}", FAILED)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    finally:
        if source is not None:
            source.close()


def _source(url: str | None, wanted: Wanted) -> Source:
    """The given server; else the one of this host, if it answers and reads real GPUs; else the driver."""
    token = os.environ.get(TOKEN_VARIABLE)
    if url:
        return Server(url, token)
    config = load_config()
    server = Server(local_address(config), token)
    try:
        if not server.ask(wanted).is_simulated or config.telemetry_provider == "simulated":
            return server
    except Unknown:
        return server
    except Refused as error:
        _say(f"reading the driver: {error} ({TOKEN_VARIABLE} can hold a token)", 0)
    except NoAnswer:
        pass  # no server runs on this host
    logging.getLogger("monitor.telemetry").setLevel(logging.CRITICAL)  # what is wrong is in the answer
    return Driver(_options(config), idle_limits_of(config))


def local_address(config: Config) -> str:
    """The URL of the server that these settings describe, from this host."""
    host = "127.0.0.1" if config.host in _EVERYWHERE else f"[{config.host}]" if ":" in config.host else config.host
    return f"http://{host}:{config.port}{config.base_path}"


def _options(config: Config) -> Options:
    return Options(
        provider=config.telemetry_provider,
        simulated_gpus=config.simulated_gpus,
        replay_file=str(config.replay_file) if config.replay_file else None,
        let_gpus_sleep=config.let_gpus_sleep,
        log_level="ERROR",
        is_watched=True,
    )


# ── Finding GPUs ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _watch(source: Source, wanted: Wanted) -> FreeGpus:
    """The answer. The driver does not know how long GPUs have been free, so it is watched for that long."""
    found = source.ask(wanted)
    if not isinstance(source, Driver) or not wanted.idle_seconds:
        return found
    _say(f"watching the GPUs for {formats.duration(wanted.idle_seconds)}", 0)
    until = time.monotonic() + wanted.idle_seconds + _WATCH_MARGIN_SECONDS
    while not found.is_enough and time.monotonic() < until:
        source.wait()
        found = source.ask(wanted)
    return found


def _wait(source: Source, wanted: Wanted, claims: Claims, timeout: float | None) -> FreeGpus | int:
    """Ask until there are enough GPUs that no other command has claimed, and claim them."""
    give_up_at = None if timeout is None else time.monotonic() + timeout
    said = ""
    while True:
        found, reason = _unclaimed(source, wanted, claims, may_fail=bool(said))
        if found is not None:
            return found
        if reason != said:
            _say(f"waiting: {reason}", 0)
            said = reason
        if give_up_at is not None and time.monotonic() >= give_up_at:
            return _say("gave up waiting", TOO_FEW)
        source.wait()


def _unclaimed(source: Source, wanted: Wanted, claims: Claims, *, may_fail: bool) -> tuple[FreeGpus | None, str]:
    """GPUs that are ours now; or None and why not. `may_fail`: the server may be restarting."""
    while True:
        try:
            found = source.ask(wanted)
        except Unknown as error:
            return None, str(error)
        except NoAnswer as error:
            if not may_fail:
                raise
            return None, str(error)
        if not found.is_enough:
            return None, found.reason or ""
        names = {_claimed_name(gpu): gpu for gpu in found.gpus}
        taken = claims.take(names)
        if not taken:
            return found, ""
        wanted = wanted._replace(exclude=wanted.exclude | {names[name].uuid for name in taken})


def _claimed_name(gpu: FreeGpu) -> str:
    return gpu.device if gpu.device.startswith("MIG-") else gpu.uuid


def _replace(program: str, command: Sequence[str], found: FreeGpus, claims: Claims) -> int:
    """Become the command, with the claims, which end with it."""
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": found.cuda_visible_devices or ""}
    if found.cuda_device_order:
        environment["CUDA_DEVICE_ORDER"] = found.cuda_device_order
    _say(f"starting on GPU {', '.join(str(gpu.index) for gpu in found.gpus)}", 0)
    claims.pass_on()
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)  # Python ignores both, and the command would inherit that
    sys.stdout.flush()
    try:
        os.execve(program, list(command), environment)  # noqa: S606  # what the user asked for, without a shell  # nosec
    except OSError as error:
        return _say(f"{command[0]}: {error.strerror}", NOT_EXECUTABLE)
