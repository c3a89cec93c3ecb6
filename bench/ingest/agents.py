"""Agents of generated snapshots: `python -m bench.ingest.agents PORT COUNT HZ`.

Prints "open" in JSON once all are connected; then, for each line on stdin, how many snapshots they have sent. Ends with stdin.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AsyncExitStack

import msgspec
from websockets.asyncio.client import ClientConnection, connect

from bench import message
from monitor.fleet import protocol
from monitor.fleet.protocol import EncodedSnapshotMessage, Hello

_MESSAGES = 100
_sent = 0


async def _send(agent: ClientConnection, messages: list[bytes], seconds: float, phase: float) -> None:
    global _sent
    await asyncio.sleep(phase * seconds)
    while True:
        for each in messages:
            await agent.send(each)
            _sent += 1
            await asyncio.sleep(seconds)


async def _drop(agent: ClientConnection) -> None:
    async for _ in agent:
        pass


async def main(port: int, count: int, hz: float) -> None:
    encoded = [msgspec.msgpack.encode(message.snapshot(number)) for number in range(_MESSAGES)]
    messages = [protocol.encode(EncodedSnapshotMessage(snapshot=msgspec.Raw(each))) for each in encoded]
    loop = asyncio.get_running_loop()
    questions = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(questions), sys.stdin)
    async with AsyncExitStack() as stack:
        tasks = []
        for number in range(count):
            url = f"ws://127.0.0.1:{port}{protocol.PATH}"
            agent = await stack.enter_async_context(connect(url, compression=None, ping_interval=None))
            hello = Hello(protocol=1, version="bench", host_id=f"{number:032x}", host=f"node{number}", sent_at=1.0)
            await agent.send(protocol.encode(hello))
            tasks += [_send(agent, messages, 1 / hz, number / count), _drop(agent)]
        running = [asyncio.ensure_future(each) for each in tasks]
        print(json.dumps("open"), flush=True)
        while await questions.readline():
            print(_sent, flush=True)
        for each in running:
            each.cancel()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
