"""The bytes of a real agent, prepared so that one process can send for a thousand hosts: a reading is a few new bytes."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from bench.host import fake_host
from bench.message import changed
from monitor.fleet import protocol
from monitor.fleet.protocol import EncodedSnapshotMessage
from monitor.telemetry.schema import Snapshot
from tests.fleet.agents import Agent
from tests.fleet.stub_hub import StubHub
from tests.support.servers import wait_for

VARIANTS = 20
"""Readings with different values. Each is sent again after this many."""
_SETTLED = 5
"""The first readings have no rates yet."""
_TIME, _SAMPLED_AT, _SEQ, _HOST = 1.0e9 + 0.123, 1.0e9 + 0.456, 0x7A5B3C1D, "5e417e1d"


def record(path: Path) -> None:
    """Write the snapshot of a real agent with 8 GPUs and 4 processes each, on the fake driver."""
    with TemporaryDirectory(prefix="gpumon-bench-") as name, fake_host() as host, StubHub().running() as hub:
        agent = Agent(Path(name) / "agent", hub.url, telemetry_provider="pynvml")
        agent.environment |= host.environment
        with agent:
            wait_for(lambda: len(hub.received) > _SETTLED and hub.received[-1].snapshot.gpus, "readings of an agent")
        path.write_bytes(msgspec.msgpack.encode(hub.received[-1].snapshot))


class PreparedReadings:
    """Frames of a WebSocket client (RFC 6455), masked with zeros."""

    def __init__(self, path: Path, interval_seconds: float) -> None:
        snapshot = msgspec.msgpack.decode(path.read_bytes(), type=Snapshot)
        self._variants = [_Frame(_with_marks(snapshot, number, interval_seconds)) for number in range(VARIANTS)]

    def frame(self, host_number: int, seq: int, now: float) -> bytearray:
        """The next reading of a host. Valid until the next call."""
        return self._variants[(host_number + seq) % VARIANTS].filled(host_number, seq, now)


class _Frame:
    def __init__(self, snapshot: Snapshot) -> None:
        encoded = msgspec.Raw(msgspec.msgpack.encode(snapshot))
        self._bytes = frame_of(protocol.encode(EncodedSnapshotMessage(snapshot=encoded)))
        [self._time] = self._places(struct.pack(">d", _TIME))
        [self._sampled_at] = self._places(struct.pack(">d", _SAMPLED_AT))
        [self._seq] = self._places(struct.pack(">I", _SEQ))
        self._hosts = self._places(_HOST.encode())
        assert len(self._hosts) >= len(snapshot.gpus)

    def filled(self, host_number: int, seq: int, now: float) -> bytearray:
        struct.pack_into(">d", self._bytes, self._time, now)
        struct.pack_into(">d", self._bytes, self._sampled_at, now)
        struct.pack_into(">I", self._bytes, self._seq, (1 << 20) + seq)
        name = b"%08x" % host_number
        for place in self._hosts:
            self._bytes[place : place + len(name)] = name
        return self._bytes

    def _places(self, mark: bytes) -> list[int]:
        return [found.start() for found in re.finditer(re.escape(mark), self._bytes)]


def frame_of(payload: bytes) -> bytearray:
    """A binary message of a client."""
    length = len(payload)
    head = bytes([0x80 | length]) if length < 126 else struct.pack(">BH", 0xFE, length)
    if length > 0xFFFF:
        head = struct.pack(">BQ", 0xFF, length)
    return bytearray(b"\x82" + head + bytes(4) + payload)


def _with_marks(snapshot: Snapshot, number: int, interval_seconds: float) -> Snapshot:
    gpus = [
        msgspec.structs.replace(changed(gpu, number), uuid=f"GPU-{_HOST}-0000-4000-8000-{gpu.index:012x}")
        for gpu in snapshot.gpus
    ]
    return msgspec.structs.replace(
        snapshot,
        seq=_SEQ,
        time=_TIME,
        sampled_at=_SAMPLED_AT,
        age_seconds=0.0,
        poll_interval_seconds=interval_seconds,
        gpus=tuple(gpus),
    )
