"""The floor of `ingest`: the `websockets` library receives, msgspec decodes. `python -m bench.ingest.floor PORT`."""

from __future__ import annotations

import asyncio
import logging
import sys

from websockets.asyncio.server import ServerConnection, serve

from monitor.fleet import protocol


async def _receive(connection: ServerConnection) -> None:
    async for data in connection:
        protocol.decode_from_agent(data.encode() if isinstance(data, str) else data)


async def main(port: int) -> None:
    logging.getLogger("websockets").setLevel(logging.WARNING)  # otherwise each connection is logged
    async with serve(_receive, "127.0.0.1", port, ping_interval=None, compression=None) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
