"""The Channels consumers. Each admits one WebSocket, then sends it the newest frame again and again until one side closes it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import ClassVar
from urllib.parse import parse_qs

import msgspec
from channels.consumer import get_handler_name
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer

from monitor.http.asgi_types import Message, Receive, Scope, Send
from monitor.http.origins import Origins
from monitor.live.admission import ENDED, Admission, AdmittedSocket, Refusal, refuse
from monitor.live.backpressure import Outlet, outlet_of
from monitor.live.frames import Frame
from monitor.live.hub import Hub
from monitor.live.pacing import Schedule
from monitor.live.pieces import ANY_LINK, LivePage

UNSUPPORTED_DATA, INVALID_DATA, TOO_BIG = 4003, 4007, 4009
"""Close codes: those of RFC 6455, section 7.4.1, moved to the private range, because daphne refuses the others from an
application (autobahn's sendClose)."""
CLOSE_SECONDS = 5.0
"""How long a client may take to answer a close frame. After that, the socket counts as closed."""
MAX_REASON_BYTES = 123
"""Of a close frame (RFC 6455, section 5.5), in UTF-8."""
MAX_MESSAGE_BYTES = 4096
MIN_FEED_HZ, MAX_FEED_HZ = 0.01, 30.0

Render = Callable[[Frame, int], str]
"""Returns the message for a client, from the newest frame and the number of the frame that the client has."""


class LiveConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]  # Channels has no types
    """Delivers frames to one client. A slow client misses frames and does not delay others."""

    channel_layer_alias = "frames use no channel layer"
    """No layer has this name, so Channels gives the socket no channel, and no second task that waits for it."""
    kind: ClassVar[str]
    """What the hub counts the socket as."""
    accepts_tokens: ClassVar[bool]
    accepts_no_origin: ClassVar[bool]
    """Whether programs are accepted: browsers always send an Origin header."""

    def __init__(self, *, hub: Callable[[str | None], Hub | None], origins: Origins, admission: Admission) -> None:
        """`hub` returns the hub of the host with this name or id (None: of this host), or None if there is no such host."""
        super().__init__()
        self._get_hub = hub
        self._origins = origins
        self._admission = admission
        self._schedule = Schedule(0.0)
        self._rate_changed = asyncio.Event()
        self._admitted: AdmittedSocket | None = None
        self._hub: Hub | None = None
        self._delivery: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._is_open = False

    def check_query(self) -> Refusal | None:
        """Refuse a handshake whose query string is wrong."""
        raise NotImplementedError

    def wanted_hub(self) -> Hub | None:
        """The hub of the host that `?host=` names, by default of this one; None if there is no such host."""
        return self._get_hub(self.query("host"))

    def renderer(self, admitted: AdmittedSocket) -> Render:
        """What makes the messages of this socket."""
        raise NotImplementedError

    def hear(self, text: str) -> None:
        """Handle a message from the client."""
        raise NotImplementedError

    # ── Called by Channels ────────────────────────────────────────────────────────────────────────────────────────────

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the socket, and leave nothing of it behind, however that ends: servers also cancel applications."""
        try:
            async with asyncio.timeout(None) as self._lifetime:
                await super().__call__(scope, receive, send)
        except TimeoutError:
            if not self._lifetime.expired():
                raise
        finally:
            await self._leave()

    async def dispatch(self, message: Message) -> None:
        """Call the handler. Channels' own method first closes old database connections, in the one thread that all sockets share.
        That takes 130 µs, and longer while another socket waits there for a locked database.
        """
        await getattr(self, get_handler_name(message))(message)

    async def websocket_disconnect(self, message: Message) -> None:
        """End, also without that thread."""
        raise StopConsumer

    async def connect(self) -> None:
        """Admit the socket and start the delivery, or refuse the handshake."""
        refusal = self._check_origin() or self.check_query()
        admitted = refusal or await self._admission.admit(self.scope, accepts_tokens=self.accepts_tokens)
        if isinstance(admitted, Refusal):
            await refuse(self.scope, self.base_send, admitted)
            raise StopConsumer
        self._admitted = admitted
        hub = self.wanted_hub()
        if hub is None:
            await refuse(self.scope, self.base_send, Refusal(404, "No such host; /api/hosts lists all."))
            raise StopConsumer
        self._hub = hub
        hub.join(self.kind)  # before the answer, which can fail: a hub for another host ends with its last client
        await self.accept()
        self._is_open = True
        self._outlet = outlet_of(self.base_send)
        render = self.renderer(admitted)
        self._delivery = asyncio.ensure_future(self._deliver(hub, self._outlet, render))
        self._delivery.add_done_callback(lambda _: self._delivery_ended())
        admitted.ended.add_done_callback(lambda ended: self.end(ENDED, ended.result()))

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Check a message from the client. While the socket is being closed, messages have no effect."""
        if text_data is None:
            self.end(UNSUPPORTED_DATA, "binary messages are not supported")
        elif len(text_data) > MAX_MESSAGE_BYTES:
            self.end(TOO_BIG, f"a message may have {MAX_MESSAGE_BYTES} bytes")
        elif self._is_open:
            self.hear(text_data)

    # ── Delivery ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _deliver(self, hub: Hub, outlet: Outlet, render: Render) -> None:
        """Send the newest frame, again and again, until the task is cancelled or the connection is closed."""
        now, schedule = asyncio.get_running_loop().time, self._schedule
        seen = 0
        while True:
            frame = await hub.newer(seen)
            while seen and (pause := schedule.seconds_until_due(now())):
                await self._pause(pause)
                # What came during the pause is old. As in the hub, the next frame is sent, if one comes within an interval.
                frame = await hub.next_or_newest(seconds=schedule.interval_seconds)
            if outlet.is_paused:
                await outlet.resumed()
                continue  # there is a newer frame now
            if seen:
                if not schedule.interval_seconds:
                    hub.dropped_frames += frame.number - seen - 1
                schedule.count(now())
            else:
                schedule.restart(now())
            if not await outlet.send(render(frame, seen)):
                return
            seen = frame.number

    async def _pause(self, seconds: float) -> None:
        """Wait this long, or until the rate changes."""
        self._rate_changed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._rate_changed.wait()

    def set_rate(self, hz: float) -> None:
        """Send at most this many messages per second. Raises ValueError if the rate is out of range."""
        if not MIN_FEED_HZ <= hz <= MAX_FEED_HZ:
            raise ValueError(f"hz is {hz:g}; it must be from {MIN_FEED_HZ:g} to {MAX_FEED_HZ:g}")
        self._schedule.interval_seconds = 1 / hz
        self._schedule.restart(asyncio.get_running_loop().time())
        self._rate_changed.set()

    # ── The end ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def end(self, code: int, reason: str) -> None:
        """Send nothing more, and close the socket. It ends when the client has answered, or after CLOSE_SECONDS. A reason that does
        not fit a close frame is cut.
        """
        if not self._is_open or self._delivery is None:
            return
        self._is_open = False
        self._delivery.cancel()
        reason = reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")
        self._closing = asyncio.ensure_future(self._outlet.close(code, reason))
        self._lifetime.reschedule(asyncio.get_running_loop().time() + CLOSE_SECONDS)

    def _delivery_ended(self) -> None:
        """End, if the delivery has not been cancelled: the connection is closed, or there was an error."""
        if self._is_open:
            self._is_open = False
            self._lifetime.reschedule(asyncio.get_running_loop().time())

    async def _leave(self) -> None:
        """Release what belongs to the socket. Raises the delivery's error, if there was one."""
        self._is_open = False
        tasks = [task for task in (self._delivery, self._closing) if task is not None]
        for task in tasks:
            task.cancel()
        if self._hub is not None:
            self._hub.leave(self.kind)
        if self._admitted is not None:
            self._admission.release(self._admitted)
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            # A client that vanishes ends the delivery with an OSError. That is how most sockets end.
            if isinstance(result, Exception) and not isinstance(result, OSError):
                raise result

    def _check_origin(self) -> Refusal | None:
        if self._origins.allow(self.scope, without_origin=self.accepts_no_origin):
            return None
        return Refusal(403, "Pages of other sites, and requests for other host names, are refused.")

    def query(self, name: str) -> str | None:
        """The last value of this name in the query string."""
        values = parse_qs(self.scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True).get(name)
        return values[-1] if values else None


class FeedRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The one message that a client of the feed can send."""

    hz: float
    """Snapshots per second, at most."""


class GpuFeedConsumer(LiveConsumer):
    """`/ws/gpu`: each snapshot as JSON, for programs and pages. `?hz=` lowers the rate, `?host=` names another host."""

    kind = "gpu"
    accepts_tokens = True
    accepts_no_origin = True

    def check_query(self) -> Refusal | None:
        """Take the rate from `?hz=`."""
        if (hz := self.query("hz")) is None:
            return None
        try:
            self.set_rate(float(hz))
        except ValueError as error:
            return Refusal(403, f"{error}")
        return None

    def renderer(self, admitted: AdmittedSocket) -> Render:
        """The snapshot."""
        details, commands = admitted.sees_details, admitted.sees_commands
        return lambda frame, _seen: frame.feed(has_details=details, has_commands=commands)

    def hear(self, text: str) -> None:
        """Change the rate."""
        try:
            self.set_rate(msgspec.json.decode(text, type=FeedRequest).hz)
        except (msgspec.MsgspecError, ValueError) as error:
            self.end(INVALID_DATA, f'a message must be like {{"hz": 1}}: {error}')


class DashboardConsumer(LiveConsumer):
    """`/ws/dashboard?view=`: content and chart points for this site's pages; `?host=` names another host."""

    kind = "dashboard"
    accepts_tokens = False
    accepts_no_origin = False

    def __init__(
        self,
        *,
        hub: Callable[[str | None], Hub | None],
        origins: Origins,
        admission: Admission,
        page_named: Callable[[str, str | None], LivePage | None],
        hub_of_fleet: Callable[[], Hub],
    ) -> None:
        """`page_named`: the page of this name, on the host with that name or id; None if it does not exist. The empty name is a
        page too. `hub_of_fleet`: for pages of all hosts.
        """
        super().__init__(hub=hub, origins=origins, admission=admission)
        self._page_named, self._hub_of_fleet = page_named, hub_of_fleet

    def check_query(self) -> Refusal | None:
        """Find the page."""
        page = self._page_named(self.query("view") or "", self.query("host"))
        if page is None:
            return Refusal(403, "There is no such page.")
        self._page = page
        return None

    def wanted_hub(self) -> Hub | None:
        """That of all hosts, if the page shows them."""
        return self._hub_of_fleet() if self._page.is_of_fleet else super().wanted_hub()

    def renderer(self, admitted: AdmittedSocket) -> Render:
        """What has changed on the page."""
        page = self._page if admitted.sees_details else self._page.without_details()
        page = page if admitted.sees_commands else page.without_commands()
        if not admitted.link:
            return lambda frame, seen: frame.page(page, seen)
        page, path = page._replace(is_by_link=True), f"/view/{admitted.link}/"
        return lambda frame, seen: frame.page(page, seen).replace(ANY_LINK, path)

    def hear(self, text: str) -> None:
        """Close the socket."""
        self.end(UNSUPPORTED_DATA, "this socket accepts no messages")
