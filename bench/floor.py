"""The page that ours is compared with: the same HTML, styles and charts, driven by the least script there can be (floor.js).

`python -m bench.floor PORT UPSTREAM` serves it. It passes the messages of gpumon's socket at UPSTREAM (`127.0.0.1:5000`) on
as JSON of names and texts, at the same times, so both pages show the same at the same rate. Left out are attributes other
than a meter's value, and parts.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
import urllib.request
from html import unescape
from pathlib import Path

from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

_SCRIPTS = re.compile(r"<script\b.*?</script>", re.DOTALL)
_SCRIPT = Path(__file__).with_name("floor.js")


_VALUES = re.compile(r"<hx-set>(.*)</hx-set>", re.DOTALL)


def values_of(content: str) -> dict[str, str]:
    """The values in a message's content: the text of each element, or the value of a meter."""
    found = _VALUES.search(content)
    given: dict[str, str | dict[str, str]] = json.loads(unescape(found[1])) if found else {}
    texts = {
        name: value if isinstance(value, str) else value.get("text", value.get("value"))
        for name, value in given.items()
    }
    return {name: text for name, text in texts.items() if text is not None}


def as_floor(text: str) -> str:
    """Our message as the floor's."""
    message = json.loads(text)
    values = values_of(message["content"])
    return json.dumps({"values": values, "points": message["points"], "time": message["time"]}, separators=(",", ":"))


def fetched(upstream: str, path: str) -> tuple[bytes, str]:
    """What our server answers, and its type."""
    with urllib.request.urlopen(f"http://{upstream}{path}", timeout=10) as answer:
        return answer.read(), answer.headers["Content-Type"]


def floor_page(upstream: str) -> str:
    """Our page with its scripts replaced."""
    html = fetched(upstream, "/")[0].decode()
    uplot = next(script for script in _SCRIPTS.findall(html) if "uPlot" in script).replace(" defer", "")
    html = _SCRIPTS.sub("", html)
    return html.replace("</body>", f"{uplot}<script>{_SCRIPT.read_text()}</script></body>")


async def main(port: int, upstream: str) -> None:
    """Serve until stdin ends."""

    async def relay(client: ServerConnection) -> None:
        socket = f"ws://{upstream}/ws/dashboard?view=cards"
        async with connect(socket, additional_headers={"Origin": f"http://{upstream}"}, max_size=None) as source:
            with contextlib.suppress(ConnectionClosed):  # the page is gone
                async for text in source:
                    await client.send(as_floor(str(text)))

    async def page(client: ServerConnection, request: Request) -> Response | None:
        if request.path == "/ws":
            return None
        if request.path == "/":
            body, kind = (await asyncio.to_thread(floor_page, upstream)).encode(), "text/html; charset=utf-8"
        else:  # styles and uPlot, which our server gives to no page but its own
            body, kind = await asyncio.to_thread(fetched, upstream, request.path)
        headers = Headers({"Content-Type": kind, "Content-Length": str(len(body)), "Connection": "close"})
        return Response(200, "OK", headers, body)

    async with serve(relay, "127.0.0.1", port, process_request=page, compression=None):
        print(json.dumps("open"), flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
