"""The life of one WebSocket: let in or refused, fed at its own pace, closed when it says what it should not.

These are plain ASGI applications, without a consumer class around them: that layer costs more a message than the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs

import msgspec

from monitor.live.admission import ENDED, OPEN_DOOR, Door, Guest, Receive, Refusal, Scope, Send, refuse
from monitor.live.backpressure import Flow, flow_of
from monitor.live.frames import Frame
from monitor.live.hub import Hub
from monitor.live.origin import Origins
from monitor.live.pieces import LivePage

UNSUPPORTED_DATA, INVALID_DATA, TOO_BIG = 4003, 4007, 4009
"""Close codes: those of RFC 6455, section 7.4.1, moved to the private range, because daphne lets an application use no
others (autobahn's sendClose)."""
CLOSE_SECONDS = 5.0
"""Within which a client has to take the close frame; one that reads nothing is left to the server."""
MAX_MESSAGE_BYTES = 4096
MIN_FEED_HZ, MAX_FEED_HZ = 0.01, 30.0


class Closing(Exception):
    """The client broke the rules: its socket is closed with this code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Pace:
    """The shortest time between two messages to one client, in seconds; the client may change it."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds


Payload = Callable[[Frame, int], str]
Hear = Callable[[str, Pace], None]


async def serve(
    hub: Hub, kind: str, receive: Receive, send: Send, *, payload: Payload, hear: Hear, pace: Pace, guest: Guest
) -> None:
    """Accept the socket, then deliver frames and listen until one side closes it or the guest may stay no longer."""
    await send({"type": "websocket.accept"})
    hub.join(kind)
    flow = flow_of(send)
    delivery = asyncio.ensure_future(_deliver(hub, send, flow, payload, pace))
    listening = asyncio.ensure_future(_listen(receive, hear, pace))
    try:
        await asyncio.wait((delivery, listening, guest.ended), return_when=asyncio.FIRST_COMPLETED)
        delivery.cancel()  # first: whoever has to go is told nothing more, however long the close frame takes
        if listening.done() and isinstance(closing := listening.exception(), Closing):
            await _close(send, flow, closing.code, closing.reason)
        elif guest.ended.done() and not listening.done():
            await _close(send, flow, ENDED, guest.ended.result())
    finally:
        hub.leave(kind)
        for task in (delivery, listening):
            task.cancel()
        results = await asyncio.gather(delivery, listening, return_exceptions=True)
    for result in results:
        # A client that vanishes while it is sent to ends the delivery with an OSError: that is how sockets end.
        if isinstance(result, Exception) and not isinstance(result, (Closing, OSError)):
            raise result


async def _close(send: Send, flow: Flow | None, code: int, reason: str) -> None:
    if flow is not None:
        flow.close(code, reason)
        return
    with contextlib.suppress(TimeoutError):  # uvicorn's `send` waits until the client has read what came before
        await asyncio.wait_for(send({"type": "websocket.close", "code": code, "reason": reason}), CLOSE_SECONDS)


async def _deliver(hub: Hub, send: Send, flow: Flow | None, payload: Payload, pace: Pace) -> None:
    """Send the newest frame, again and again; a client that is slow misses frames and delays nobody."""
    loop = asyncio.get_running_loop()
    seen = 0
    while True:
        frame = await hub.newer(seen)
        if pace.seconds:
            due = loop.time() + pace.seconds
        if flow is not None and flow.is_paused:
            await flow.resumed()
            continue  # by now there is a newer frame
        text = payload(frame, seen)
        if flow is None:
            try:
                await send({"type": "websocket.send", "text": text})
            except RuntimeError:
                return  # uvicorn has closed the socket by itself, for a breach of the protocol (ASGI says OSError)
        else:
            flow.send(text)
        seen = frame.number
        if pace.seconds and (rest := due - loop.time()) > 0:
            await asyncio.sleep(rest)


async def _listen(receive: Receive, hear: Hear, pace: Pace) -> None:
    """Hear what the client says until it is gone. Raises Closing."""
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return
        if message["type"] == "websocket.receive":
            text = message.get("text")
            if text is None:
                raise Closing(UNSUPPORTED_DATA, "binary messages are not understood")
            if len(text) > MAX_MESSAGE_BYTES:
                raise Closing(TOO_BIG, f"messages of more than {MAX_MESSAGE_BYTES} bytes are not read")
            hear(text, pace)


# ── The two sockets ───────────────────────────────────────────────────────────────────────────────────────────────────


class FeedRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a client of the feed may say: how many snapshots a second it wants at most."""

    hz: float


def _pace(hz: float) -> float:
    """Seconds between messages. Raises ValueError with the allowed range."""
    if not MIN_FEED_HZ <= hz <= MAX_FEED_HZ:
        raise ValueError(f"hz is {hz:g}, allowed are {MIN_FEED_HZ:g} to {MAX_FEED_HZ:g}")
    return 1 / hz


def _hear_feed(text: str, pace: Pace) -> None:
    try:
        pace.seconds = _pace(msgspec.json.decode(text, type=FeedRequest).hz)
    except (msgspec.MsgspecError, ValueError) as error:
        raise Closing(INVALID_DATA, f'understood is {{"hz": 1}}: {error}'[:120]) from error


def _hear_nothing(_text: str, _pace: Pace) -> None:
    raise Closing(UNSUPPORTED_DATA, "this socket only sends")


def gpu_feed(
    hub: Callable[[], Hub], origins: Origins, door: Door = OPEN_DOOR
) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """`/ws/gpu`: each snapshot as JSON. `?hz=` lowers the rate. Programs without an Origin header are let in."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        if not origins.allow(scope, without_origin=True):
            await refuse(scope, send, Refusal(403, "This page is not of this site."))
            return
        pace = Pace()
        if (hz := _query(scope, "hz")) is not None:
            try:
                pace.seconds = _pace(float(hz))
            except ValueError as error:
                await refuse(scope, send, Refusal(403, f"{error}"))
                return
        guest = await door.let_in(scope, takes_tokens=True)
        if isinstance(guest, Refusal):
            await refuse(scope, send, guest)
            return

        def payload(frame: Frame, _seen: int) -> str:
            return frame.feed(has_details=guest.sees_details)

        try:
            await serve(hub(), "gpu", receive, send, payload=payload, hear=_hear_feed, pace=pace, guest=guest)
        finally:
            door.leave(guest)

    return app


def dashboard(
    hub: Callable[[], Hub], origins: Origins, view_named: Callable[[str], LivePage | None], door: Door = OPEN_DOOR
) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """`/ws/dashboard?view=`: fragments and chart points for the pages, which are of this site.

    `view_named` knows the pages, the empty name too; one it does not know is refused.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        view = view_named(_query(scope, "view") or "")
        if view is None or not origins.allow(scope, without_origin=False):
            await refuse(scope, send, Refusal(403, "There is no such page, or this one is not of this site."))
            return
        guest = await door.let_in(scope, takes_tokens=False)
        if isinstance(guest, Refusal):
            await refuse(scope, send, guest)
            return
        shown = view if guest.sees_details else view.without_details()

        def payload(frame: Frame, seen: int) -> str:
            return frame.page(shown, seen)

        try:
            await serve(
                hub(), "dashboard", receive, send, payload=payload, hear=_hear_nothing, pace=Pace(), guest=guest
            )
        finally:
            door.leave(guest)

    return app


def _query(scope: Scope, name: str) -> str | None:
    values = parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True).get(name)
    return values[-1] if values else None
