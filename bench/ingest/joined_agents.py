"""Agents that have joined a real hub: `python -m bench.ingest.joined_agents HZ HOSTS PORT…`, over the servers in turn.

Prints "open" in JSON once all are connected; then, for each line on stdin, how many snapshots they have sent. Ends with stdin. JOIN
makes them known to the hub's database.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
import time
from contextlib import AsyncExitStack

import msgspec
from websockets.asyncio.client import ClientConnection, connect

from bench import message
from monitor.fleet import protocol
from monitor.fleet.protocol import EncodedSnapshotMessage, Hello

JOIN = """
from bench.ingest.joined_agents import host_id, key
from monitor.fleet.registry import digest_of
from monitor.models import FleetHost
FleetHost.objects.bulk_create(
    FleetHost(host_id=host_id(number), name=f"node{number}", key_digest=digest_of(key(number))) for number in range(HOSTS)
)
"""
"""For `manage.py shell`, with the number of hosts in place of HOSTS."""
_sent = 0


def host_id(number: int) -> str:
    """As random as a real one."""
    return hashlib.md5(f"host {number}".encode(), usedforsecurity=False).hexdigest()


def key(number: int) -> str:
    """Of the host with this number."""
    return f"gpumonhost_of_the_benchmark_{number}"


async def _send(agent: ClientConnection, seconds: float, phase: float) -> None:
    global _sent
    await asyncio.sleep(phase * seconds)
    number = 0
    due = time.monotonic()
    while True:
        snapshot = message.snapshot(number)
        uuids = [msgspec.structs.replace(gpu, uuid=f"{gpu.uuid}-{id(agent)}") for gpu in snapshot.gpus]
        encoded = msgspec.msgpack.encode(msgspec.structs.replace(snapshot, gpus=tuple(uuids)))
        await agent.send(protocol.encode(EncodedSnapshotMessage(snapshot=msgspec.Raw(encoded))))
        _sent += 1
        number += 1
        due += seconds
        await asyncio.sleep(max(0.0, due - time.monotonic()))


async def _drop(agent: ClientConnection) -> None:
    async for _ in agent:
        pass


async def main(hz: float, hosts: int, ports: list[int]) -> None:
    loop = asyncio.get_running_loop()
    questions = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(questions), sys.stdin)
    async with AsyncExitStack() as stack:
        tasks = []
        for number in range(hosts):
            url = f"ws://127.0.0.1:{ports[number % len(ports)]}{protocol.PATH}"
            headers = {"Authorization": f"Bearer {key(number)}"}
            connecting = connect(url, compression=None, ping_interval=None, additional_headers=headers, max_size=None)
            agent = await stack.enter_async_context(connecting)
            hello = Hello(
                protocol=1, version="bench", host_id=host_id(number), host=f"node{number}", sent_at=time.time()
            )
            await agent.send(protocol.encode(hello))
            answer = protocol.decode_from_hub(bytes(await agent.recv(decode=False)))
            assert isinstance(answer, protocol.Welcome), answer
            tasks += [_send(agent, 1 / hz, number / hosts), _drop(agent)]
        running = [asyncio.ensure_future(each) for each in tasks]
        print(json.dumps("open"), flush=True)
        while await questions.readline():
            print(_sent, flush=True)
        for each in running:
            each.cancel()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]), int(sys.argv[2]), [int(port) for port in sys.argv[3:]]))
