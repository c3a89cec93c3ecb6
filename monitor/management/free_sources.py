"""Where the commands `free` and `wait` learn which GPUs are free: from a server, or from the driver. Without Django."""

from __future__ import annotations

import http.client
import queue
import socket
import ssl
import time
from collections.abc import Callable
from typing import Protocol
from urllib.parse import urlencode, urlsplit

import msgspec

from monitor.telemetry.free.choice import FreeGpus, choose
from monitor.telemetry.free.free_time import FreeTime
from monitor.telemetry.free.wanted import Wanted
from monitor.telemetry.gpu_use import IdleLimits
from monitor.telemetry.options import Options
from monitor.telemetry.sampler.supervisor import START_LIMIT_SECONDS, Supervisor
from monitor.telemetry.schema import Snapshot
from monitor.unreadable import UNREADABLE

ANSWER_SECONDS = 5.0
POLL_SECONDS = 2.0
_LARGEST_ANSWER = 1 << 20
_decoder = msgspec.json.Decoder(FreeGpus)


class Unknown(Exception):
    """Which GPUs are free is not known now, but may be later: stale readings, a driver that does not respond."""


class NoAnswer(Exception):
    """There is no gpumon at this address, or it does not answer us."""


class Refused(NoAnswer):
    """A gpumon answers, but not us."""


class Source(Protocol):
    """Says which GPUs are free."""

    def ask(self, wanted: Wanted) -> FreeGpus:
        """Raises Unknown."""

    def wait(self) -> None:
        """Return when another answer can be expected."""

    def close(self) -> None: ...


class Server:
    """A running gpumon, by HTTP."""

    def __init__(self, url: str, token: str | None, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self.url = url.rstrip("/")
        self._token = token
        self._sleep = sleep

    def ask(self, wanted: Wanted) -> FreeGpus:
        """Also raises NoAnswer."""
        query = urlencode(
            {
                "count": wanted.gpu_count,
                "memory": f"{wanted.memory_bytes / (1 << 20):.3f}MiB",
                "idle_for": f"{wanted.idle_seconds:.3f}",
                "exclude": ",".join(sorted(wanted.exclude)),
            }
        )
        status, body = self._get(f"/api/free?{query}")
        if status in (200, 409):
            try:
                return _decoder.decode(body)
            except UNREADABLE as error:
                raise NoAnswer(f"the server at {self.url} is not gpumon, or a different version of it") from error
        reason = _error_of(body)
        if status == 503 and reason:
            raise Unknown(reason)
        if status in (401, 403, 429) and reason:
            raise Refused(f"{self.url} answers {reason}")
        raise NoAnswer(f"{self.url} answers with status {status}{f': {reason}' if reason else ''}")

    def wait(self) -> None:
        self._sleep(POLL_SECONDS)

    def close(self) -> None: ...

    def _get(self, path: str) -> tuple[int, bytes]:
        """Without proxies, and redirects are not followed: a token must reach nobody else."""
        site = urlsplit(self.url)
        headers = {"Accept": "application/json", **({"Authorization": f"Bearer {self._token}"} if self._token else {})}
        try:
            connection = (
                http.client.HTTPSConnection(site.netloc, timeout=ANSWER_SECONDS, context=ssl.create_default_context())
                if site.scheme == "https"
                else http.client.HTTPConnection(site.netloc, timeout=ANSWER_SECONDS)
            )
            try:
                connection.request("GET", f"{site.path}{path}", headers=headers)
                response = connection.getresponse()
                return response.status, response.read(_LARGEST_ANSWER)
            finally:
                connection.close()
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswer(f"no answer from {self.url}: {error or type(error).__name__}") from error


def _error_of(body: bytes) -> str:
    class Error(msgspec.Struct):
        error: str

    try:
        return msgspec.json.decode(body, type=Error).error
    except UNREADABLE:
        return ""


class Driver:
    """The driver of this host, read by a sampler of our own from the first question until `close`."""

    def __init__(self, options: Options, idle: IdleLimits) -> None:
        self._snapshots: queue.SimpleQueue[Snapshot] = queue.SimpleQueue()
        self._free_time = FreeTime()
        self._newest: Snapshot | None = None
        self._supervisor = Supervisor(options, self._snapshots.put, host=socket.gethostname(), idle=lambda: idle)
        self._has_started = False

    def ask(self, wanted: Wanted) -> FreeGpus:
        if self._newest is None:
            self.wait()
        snapshot = self._newest
        if snapshot is None or snapshot.sampled_at is None:
            raise Unknown(self._why_not())
        if snapshot.stale:
            raise Unknown(f"The readings are stale: {snapshot.stale_reason}")
        return choose(snapshot, wanted, self._free_time.seconds)

    def wait(self) -> None:
        """For the next snapshot; at first for a reading, or the reasons why there is none."""
        if not self._has_started:
            self._has_started = True
            self._supervisor.start()
        give_up_at = time.monotonic() + START_LIMIT_SECONDS
        while True:
            try:
                snapshot = self._snapshots.get(timeout=max(0.1, give_up_at - time.monotonic()))
            except queue.Empty:
                return
            self._free_time.take(snapshot)
            self._newest = snapshot
            is_settled = snapshot.sampled_at is not None or (snapshot.providers and snapshot.provider is None)
            if is_settled or time.monotonic() >= give_up_at:
                return

    def close(self) -> None:
        self._supervisor.stop()

    def _why_not(self) -> str:
        reports = self._newest.providers if self._newest else ()
        reasons = " ".join(f"{each.name}: {each.reason}" for each in reports if each.reason)
        return reasons or self._supervisor.status.problem or "the driver is not responding"
