"""The other side of `bench.delivery`: the `websockets` library's own broadcast. `python -m bench.broadcast PORT`."""

from __future__ import annotations

import asyncio
import itertools
import sys

from websockets.asyncio.server import ServerConnection, broadcast, serve

from bench import message


async def _hold(connection: ServerConnection) -> None:
    await connection.wait_closed()


async def main(port: int) -> None:
    """Send the same message to every client, at the same pace."""
    text = message.text(0)
    loop = asyncio.get_running_loop()
    async with serve(_hold, "127.0.0.1", port) as server:
        began = loop.time()
        for number in itertools.count(1):
            broadcast(server.connections, text)
            await asyncio.sleep(max(0.0, began + number / message.HZ - loop.time()))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
