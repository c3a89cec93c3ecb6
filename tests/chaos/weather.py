"""What can go wrong: each is a context in which it does. At its end it stops, and the world has to recover by itself."""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import signal
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psutil

from monitor.server.watchdog import HANG_SECONDS
from tests.chaos.scene import RECOVERY_SECONDS
from tests.chaos.world import WEAK_GPU, World
from tests.support.deaf_clients import HANDSHAKE, PING, deaf_client
from tests.support.servers import wait_for

Weather = Callable[[World, random.Random], AbstractContextManager[None]]
_UNKNOWN_ERROR, _NOT_LOADED = 999, 9
_ERRORS = (3, 4, 15, _UNKNOWN_ERROR)
"""NVML: not supported, no permission, GPU is lost, unknown."""
_FUNCTIONS = (
    "nvmlDeviceGetTemperature", "nvmlDeviceGetUtilizationRates", "nvmlDeviceGetMemoryInfo_v2", "nvmlDeviceGetClockInfo",
    "nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetFieldValues", "nvmlDeviceGetProcessUtilization",
)  # fmt: skip


# ── The sampler ───────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def sampler_killed(world: World, _chance: random.Random) -> Iterator[None]:
    world.sampler.send_signal(signal.SIGKILL)
    yield


@contextmanager
def sampler_crashes(world: World, _chance: random.Random) -> Iterator[None]:
    world.sampler.send_signal(signal.SIGSEGV)
    yield


@contextmanager
def sampler_stopped(world: World, _chance: random.Random) -> Iterator[None]:
    """It is ended: a stopped process looks like a hanging driver."""
    world.sampler.send_signal(signal.SIGSTOP)
    yield


# ── The driver ────────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def driver_hangs(world: World, chance: random.Random) -> Iterator[None]:
    with _scenario(world, {f"hang.{chance.choice(('*', *_FUNCTIONS))}": 1}):
        yield


@contextmanager
def driver_is_slow(world: World, chance: random.Random) -> Iterator[None]:
    with _scenario(world, {f"slow_ms.{chance.choice(_FUNCTIONS)}": chance.choice((50, 200, 800))}):
        yield


@contextmanager
def driver_reloads(world: World, _chance: random.Random) -> Iterator[None]:
    with _scenario(world, {"init": _NOT_LOADED, "all": _UNKNOWN_ERROR}):
        yield


@contextmanager
def driver_crashes(world: World, chance: random.Random) -> Iterator[None]:
    with _scenario(world, {f"crash.{chance.choice(_FUNCTIONS)}": 1}):
        yield


@contextmanager
def errors(world: World, chance: random.Random) -> Iterator[None]:
    faults = {f"gpu.{WEAK_GPU}.fail.{name}": chance.choice(_ERRORS) for name in chance.sample(_FUNCTIONS, 3)}
    with _scenario(world, faults):
        yield


@contextmanager
def gpu_lost(world: World, _chance: random.Random) -> Iterator[None]:
    with _scenario(world, {f"gpu.{WEAK_GPU}.lost": 1}):
        yield


@contextmanager
def gpu_removed(world: World, _chance: random.Random) -> Iterator[None]:
    with _scenario(world, {"order": "0,2,3"}):
        yield


@contextmanager
def gpu_added(world: World, _chance: random.Random) -> Iterator[None]:
    with _scenario(world, {"order": "0,1,2,3,4", "gpus": 5}):
        yield


@contextmanager
def _scenario(world: World, changes: dict[str, object]) -> Iterator[None]:
    world.driver.set(changes)
    try:
        yield
    finally:
        world.driver.set({**dict.fromkeys(changes), **({"gpus": 4} if "gpus" in changes else {})})


# ── Databases and disk ────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def database_locked(world: World, chance: random.Random) -> Iterator[None]:
    databases = [path for path in world.server.data_dir.glob("*.sqlite3") if _is_database(path)]
    path = chance.choice(sorted(databases))
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=20)) as database:
        database.execute("begin immediate")
        yield
        database.execute("rollback")


def _is_database(path: Path) -> bool:
    """Not after `history_corrupt`, until the recorder begins another."""
    with path.open("rb") as file:
        return file.read(16) == b"SQLite format 3\0"


@contextmanager
def history_deleted(world: World, _chance: random.Random) -> Iterator[None]:
    for path in world.server.data_dir.glob("history.sqlite3*"):
        path.unlink()
    yield
    world.history_begins()


@contextmanager
def history_corrupt(world: World, chance: random.Random) -> Iterator[None]:
    with (world.server.data_dir / "history.sqlite3").open("r+b") as file:
        file.write(chance.randbytes(8192))
    yield
    world.history_begins()


@contextmanager
def disk_full(world: World, _chance: random.Random) -> Iterator[None]:
    world.full_disk.touch()
    try:
        yield
    finally:
        world.full_disk.unlink()


@contextmanager
def disk_read_only(world: World, _chance: random.Random) -> Iterator[None]:
    """As after an error of the file system. The modes of files would not do: root may write everything."""
    world.read_only_disk.touch()
    try:
        yield
    finally:
        world.read_only_disk.unlink()


# ── Clock and limits ──────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def clock_set(world: World, chance: random.Random) -> Iterator[None]:
    """Ahead, and back again."""
    world.set_clock(chance.choice((-3600, -60, 60, 7200)))
    yield
    world.set_clock(0)
    world.history_begins()


@contextmanager
def few_descriptors(world: World, _chance: random.Random) -> Iterator[None]:
    server = psutil.Process(world.pid)
    before = server.rlimit(psutil.RLIMIT_NOFILE)
    server.rlimit(psutil.RLIMIT_NOFILE, (server.num_fds() + 2, before[1]))
    try:
        with _connections(world, 30):
            yield
    finally:
        server.rlimit(psutil.RLIMIT_NOFILE, before)


@contextmanager
def server_out_of_memory(world: World, _chance: random.Random) -> Iterator[None]:
    """Viewers ask for pages and for much history meanwhile. The server may end afterwards, as what starts services expects: in
    Python, the thread that starts another one waits for ever if that one has no memory to begin.
    """
    with _no_more_memory(psutil.Process(world.pid)):
        for path in ("/", "/api/history?gpu=all&metric=power_watts&range=1y&points=5000"):
            with contextlib.suppress(OSError, http.client.HTTPException):
                world.server.get(path)
        yield
    place = len(world.feed.seen)
    wait_for(
        lambda: world.has_ended or any(each.is_fresh for each in world.feed.seen[place:][1:]),
        "a fresh reading, or the end of the server",
        seconds=HANG_SECONDS + RECOVERY_SECONDS,
    )
    if world.has_ended:
        world.start()


@contextmanager
def sampler_out_of_memory(world: World, _chance: random.Random) -> Iterator[None]:
    with _no_more_memory(world.sampler):
        yield


@contextmanager
def _no_more_memory(process: psutil.Process) -> Iterator[None]:
    """The kernel refuses what is larger than what Python has at hand. A process that has ended needs none."""
    before = process.rlimit(psutil.RLIMIT_AS)
    process.rlimit(psutil.RLIMIT_AS, (process.memory_info().vms + (1 << 20), before[1]))
    try:
        yield
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.rlimit(psutil.RLIMIT_AS, before)


# ── Clients ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def half_open_connections(world: World, _chance: random.Random) -> Iterator[None]:
    with _connections(world, 150):
        yield


@contextmanager
def deaf_viewer(world: World, _chance: random.Random) -> Iterator[None]:
    with deaf_client(world.server, begins=HANDSHAKE, repeats=PING, most_bytes=4 << 20):
        yield


@contextmanager
def _connections(world: World, count: int) -> Iterator[None]:
    """They begin a request and do not end it."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            client = stack.enter_context(socket.socket())
            client.settimeout(1)
            with contextlib.suppress(OSError):
                client.connect(("127.0.0.1", world.server.port))
                client.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
        yield


# ── Another host ──────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def agent_killed(world: World, _chance: random.Random) -> Iterator[None]:
    world.agent.stop(signal.SIGKILL)
    yield
    world.agent.start()


@contextmanager
def agent_stopped(world: World, _chance: random.Random) -> Iterator[None]:
    assert world.agent.process is not None
    world.agent.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        world.agent.process.send_signal(signal.SIGCONT)


@contextmanager
def link_cut(world: World, _chance: random.Random) -> Iterator[None]:
    with world.link.cut():
        yield


@contextmanager
def link_stalled(world: World, _chance: random.Random) -> Iterator[None]:
    with world.link.stalled():
        yield


# ── The server ────────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def server_stopped(world: World, _chance: random.Random) -> Iterator[None]:
    """As when a laptop sleeps."""
    os.kill(world.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(world.pid, signal.SIGCONT)


@contextmanager
def server_killed(world: World, _chance: random.Random) -> Iterator[None]:
    world.kill_server()
    yield
    world.start()


@contextmanager
def server_restarted(world: World, _chance: random.Random) -> Iterator[None]:
    world.server.stop(seconds=30)
    yield
    world.start()


EVERY: tuple[Weather, ...] = (
    sampler_killed, sampler_crashes, sampler_stopped, driver_hangs, driver_is_slow, driver_reloads, driver_crashes, errors,
    gpu_lost, gpu_removed, gpu_added, database_locked, history_deleted, history_corrupt, disk_full, disk_read_only, clock_set,
    few_descriptors, server_out_of_memory, sampler_out_of_memory, half_open_connections, deaf_viewer, agent_killed, agent_stopped,
    link_cut, link_stalled, server_stopped, server_killed, server_restarted,
)  # fmt: skip
