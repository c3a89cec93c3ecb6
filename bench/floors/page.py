"""The page that ours is compared with: the same HTML, styles and charts, driven by a minimal script (page.js).

`python -m bench.floors.page PORT UPSTREAM` serves it for each page of the gpumon server at UPSTREAM (`127.0.0.1:5000`), under the
same path. It forwards the messages of that server's socket as JSON of names and texts, at the same times, so that both pages
show the same at the same rate. It leaves out attributes other than a meter's value, and replaced parts.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
import urllib.request
from collections.abc import Iterator
from html import unescape
from pathlib import Path

from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from bench.child import child
from tests.support.servers import Server, free_port

_SCRIPTS = re.compile(r"<script\b.*?</script>", re.DOTALL)
_SCRIPT = Path(__file__).with_name("page.js")
_VALUES = re.compile(r"<hx-set>(.*)</hx-set>", re.DOTALL)


@contextlib.contextmanager
def floor_of(server: Server) -> Iterator[str]:
    """Run this page for a server; yields its address, which accepts the server's paths. `#still`: each chart is drawn once."""
    port = free_port()
    with child("bench.floors.page", str(port), f"127.0.0.1:{server.port}") as relay:
        relay.answer()  # it listens
        yield f"http://127.0.0.1:{port}"


def values_of(content: str) -> dict[str, str]:
    """The values in a message's content: the text of each element, or a meter's value."""
    found = _VALUES.search(content)
    given: dict[str, str | dict[str, str]] = json.loads(unescape(found[1])) if found else {}
    texts = {
        name: value if isinstance(value, str) else value.get("text", value.get("value"))
        for name, value in given.items()
    }
    return {name: text for name, text in texts.items() if text is not None}


def as_floor(text: str) -> str:
    """A message of the gpumon server in the form that the floor's page expects."""
    message = json.loads(text)
    values = values_of(message["content"])
    return json.dumps({"values": values, "points": message["points"], "time": message["time"]}, separators=(",", ":"))


def fetched(upstream: str, path: str) -> tuple[bytes, str]:
    """The body and content type of the gpumon server's response."""
    with urllib.request.urlopen(f"http://{upstream}{path}", timeout=10) as answer:
        return answer.read(), answer.headers["Content-Type"]


def floor_page(html: str) -> str:
    """The page with its scripts replaced by page.js, and by uPlot if it draws charts."""
    uplot = [script.replace(" defer", "") for script in _SCRIPTS.findall(html) if "uPlot" in script]
    html = _SCRIPTS.sub("", html)
    return html.replace("</body>", f"{''.join(uplot)}<script>{_SCRIPT.read_text()}</script></body>")


def answered(upstream: str, path: str) -> Response:
    """The response to a page's request. Styles and uPlot pass through: the gpumon server refuses them to pages of other sites."""
    body, kind = fetched(upstream, path)
    if kind.startswith("text/html"):
        body = floor_page(body.decode()).encode()
    headers = Headers({"Content-Type": kind, "Content-Length": str(len(body)), "Connection": "close"})
    return Response(200, "OK", headers, body)


async def main(port: int, upstream: str) -> None:
    """Serve until stdin closes."""

    async def relay(client: ServerConnection) -> None:
        assert client.request is not None
        source = connect(
            f"ws://{upstream}{client.request.path}",
            additional_headers={"Origin": f"http://{upstream}"},
            max_size=None,
        )
        with contextlib.suppress(ConnectionClosed):  # the page is closed, or the gpumon server has stopped
            async with source as messages:
                async for text in messages:
                    await client.send(as_floor(str(text)))

    async def page(_client: ServerConnection, request: Request) -> Response | None:
        if "Upgrade" in request.headers:
            return None
        return await asyncio.to_thread(answered, upstream, request.path)

    async with serve(relay, "127.0.0.1", port, process_request=page, compression=None):
        print(json.dumps("open"), flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
