"""The stage that sends every snapshot of this host to a hub. Its thread holds one connection, and opens it again when it breaks."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable

import msgspec
from websockets.exceptions import WebSocketException

from monitor.fleet.agent.agent_key import AgentKey
from monitor.fleet.agent.backlog import Backlog, Kept
from monitor.fleet.agent.connect_errors import reason_of
from monitor.fleet.agent.connection import Connection, Disconnected, RefusedByHub, address_of
from monitor.fleet.agent.retries import Retries
from monitor.fleet.protocol import Hello
from monitor.logs.lasting_problem import LastingProblem
from monitor.private_file import reason_of as reason_of_file
from monitor.sanitize import visible
from monitor.telemetry.sampler.own_error import own_error
from monitor.telemetry.schema import Snapshot

REPEAT_SECONDS = 0.2
"""Between two snapshots that the hub has missed: an hour of readings takes twelve minutes."""
MOST_CLOCK_SECONDS = 2.0
"""A clock that is further off is reported."""
log = logging.getLogger(__name__)


class Uplink:
    """`take` keeps the newest snapshot. The thread sends it; while the line is slow, older ones are left out."""

    name = "uplink"

    def __init__(
        self,
        hub: str,
        hello: Callable[[], Hello],
        key: AgentKey,
        *,
        on_interval: Callable[[float | None], None] = lambda _seconds: None,
        monotonic: Callable[[], float] = time.monotonic,
        retries: Retries | None = None,
        repeat_seconds: float = REPEAT_SECONDS,
    ) -> None:
        """`hub`: its URL. `hello`: makes the first message of a connection. `on_interval`: gets the interval that the hub asks for,
        in seconds, or None, in the uplink's thread.
        """
        self._url = address_of(hub)
        self._hello = hello
        self._key = key
        self._on_interval = on_interval
        self._retries = retries or Retries()
        self._repeat_seconds = repeat_seconds
        self._monotonic = monotonic
        self._encoder = msgspec.msgpack.Encoder()
        self._condition = threading.Condition()
        self._newest: Snapshot | None = None
        self._is_connected = False
        self._is_stopping = False
        self._backlog = Backlog(monotonic=monotonic)
        self._problem: str | None = None
        self._lasting = LastingProblem(log, monotonic=monotonic)
        self._clock = LastingProblem(log, monotonic=monotonic)
        self.taken_at: float | None = None
        """When the newest snapshot was taken, by the monotonic clock; None before the first."""
        self._thread = threading.Thread(target=self._run, name="uplink", daemon=True)

    # ── From the telemetry thread ─────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Begin to connect."""
        self._thread.start()

    def take(self, snapshot: Snapshot) -> None:
        """Send this next, or keep it until the hub can be reached."""
        with self._condition:
            self.taken_at = self._monotonic()
            if self._is_connected:
                self._newest = snapshot
                self._condition.notify()
            elif snapshot.sampled_at is not None and not snapshot.stale:
                self._backlog.add([self._kept(snapshot)])

    def stop(self, seconds: float = 2.0) -> None:
        """Close the connection and end the thread. What the hub has not received is lost."""
        with self._condition:
            self._is_stopping = True
            self._condition.notify()
        self._thread.join(seconds)

    @property
    def is_running(self) -> bool:
        """Whether its thread sends, or tries to connect."""
        return self._thread.is_alive()

    @property
    def is_connected(self) -> bool:
        """Whether the hub has admitted this agent, and the connection is open."""
        return self._is_connected

    @property
    def problem(self) -> str | None:
        """Why the hub receives nothing, as a sentence."""
        return self._problem

    # ── The thread ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        while not self._is_stopping:
            connected_at: float | None = None
            is_refused = False
            try:
                connection = self._connected()
                connected_at = self._monotonic()
                self._serve(connection)
            except RefusedByHub as error:
                self._note(str(error))
                is_refused = True
            except Disconnected as error:
                self._note(str(error))
            except (OSError, WebSocketException) as error:
                self._note(reason_of(error, self._url))
            except Exception as error:  # the readings go on, and so does the uplink
                reason = own_error(error)
                if reason != self._problem:
                    log.exception("%s", reason)
                self._problem = reason
            connected_seconds = 0.0 if connected_at is None else self._monotonic() - connected_at
            least, most = self._retries.wait(connected_seconds=connected_seconds, is_refused=is_refused)
            with self._condition:
                self._condition.wait_for(lambda: self._is_stopping, random.uniform(least, most))  # noqa: S311  # no secret  # nosec

    def _connected(self) -> Connection:
        try:
            key = self._key.read()
            asked_at = time.time()
            connection = Connection(self._url, self._hello(), key)
            if connection.welcome.key is not None:
                try:
                    self._key.write(connection.welcome.key)
                except OSError:
                    connection.close()
                    raise
        except OSError as error:
            if error.filename != str(self._key.path):
                raise
            raise Disconnected(
                f"The agent's key {self._key.path} cannot be used: {reason_of_file(error, self._key.path)}"
            ) from error
        self._on_interval(connection.welcome.interval_seconds)
        self._compare_clocks(asked_at, connection.welcome.hub_time, time.time())
        return connection

    def _serve(self, connection: Connection) -> None:
        """Send until the connection ends. Raises RefusedByHub or Disconnected, unless the uplink is stopped."""
        with self._condition:
            self._is_connected = True
        self._problem = None
        self._lasting.is_over("the hub is connected again")
        log.info("connected to the hub at %s as %s", self._url, visible(connection.welcome.host_name))
        connection.listen(self._wake)
        try:
            self._send(connection)
        finally:
            connection.close()
            with self._condition:
                self._is_connected = False
                newest, self._newest = self._newest, None
                self._backlog.add([*connection.unconfirmed, *([] if newest is None else [self._kept(newest)])])

    def _send(self, connection: Connection) -> None:
        has_sent, repeat_at = False, self._monotonic()
        while True:
            with self._condition:
                is_repeating = has_sent and len(self._backlog) > 0
                self._condition.wait_for(
                    lambda: self._is_stopping or self._newest is not None or connection.ended is not None,
                    max(0.0, repeat_at - self._monotonic()) if is_repeating else None,
                )
                newest, self._newest = self._newest, None
            if self._is_stopping:
                return
            if newest is not None:
                connection.send(self._kept(newest), is_late=False)
                has_sent = True
            elif connection.ended is not None:
                raise connection.ended
            elif self._monotonic() >= repeat_at:
                repeat_at = self._monotonic() + self._repeat_seconds
                if (missed := self._backlog.take()) is not None:
                    connection.send(missed, is_late=True)

    def _wake(self) -> None:
        with self._condition:
            self._condition.notify()

    def _kept(self, snapshot: Snapshot) -> Kept:
        return self._backlog.keep(snapshot.seq, self._encoder.encode(snapshot))

    def _note(self, problem: str) -> None:
        self._problem = visible(problem)
        self._lasting.noticed(self._problem)

    def _compare_clocks(self, asked_at: float, hub_time: float, answered_at: float) -> None:
        ahead = answered_at - hub_time if hub_time < asked_at else hub_time - asked_at
        if not asked_at - MOST_CLOCK_SECONDS <= hub_time <= answered_at + MOST_CLOCK_SECONDS:
            words = "ahead of" if hub_time < asked_at else "behind"
            self._clock.noticed(
                f"The clock of this host is {ahead:.0f} s {words} the hub's: set one of them, for instance by NTP."
            )
        else:
            self._clock.is_over("the clock of this host agrees with the hub's")
