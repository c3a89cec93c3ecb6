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
    """Make the same message of the same snapshots, and send it to every client at the same pace."""
    loop = asyncio.get_running_loop()
    async with serve(_hold, "127.0.0.1", port) as server:
        began = loop.time()
        for number in itertools.count():
            broadcast(server.connections, message.text(number))
            await asyncio.sleep(max(0.0, began + (number + 1) / message.HZ - loop.time()))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
