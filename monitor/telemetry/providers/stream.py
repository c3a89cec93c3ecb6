"""Runs a program: as a stream of documents, of which the newest is read, or once for its whole output."""

from __future__ import annotations

import ctypes
import os
import resource
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence

Split = Callable[[bytearray], bytes | None]
"""Removes the first whole document from the front of the buffer and returns it; None if there is none yet."""

_PR_SET_PDEATHSIG = 1
_GRACE_SECONDS = 1.0
_SHORTEST_WAIT_SECONDS = 0.5
"""A reader that comes late waits for the rest of a document that has begun."""
_MOST_BYTES = 32 * 1024 * 1024
"""More output than this without a whole document, or more complaints, end the program. A report of 16 GPUs has 1.5 MB."""
_MOST_MEMORY_BYTES = 4 << 30
"""Of the program: `nvidia-smi` needs 0.1 GB, but was seen to grow to 25 GB. Beyond it, its next allocation fails."""


def _confine() -> None:
    """Runs in the child before exec: the program ends with this process, however that ends, and its memory is bounded."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    for kind, most in ((resource.RLIMIT_DATA, _MOST_MEMORY_BYTES), (resource.RLIMIT_FSIZE, _MOST_BYTES)):
        limits = resource.getrlimit(kind)
        soft = min([most, *(limit for limit in limits if limit != resource.RLIM_INFINITY)])
        resource.setrlimit(kind, (soft, limits[1]))


class Ended(Exception):
    """The program has ended. `status` is negative for a signal; `half` is its output since the last document."""

    def __init__(self, status: int, half: bytes, errors: str) -> None:
        super().__init__(_how(status))
        self.status = status
        self.half = half
        self.errors = errors


def _how(status: int) -> str:
    return f"ended with exit status {status}" if status >= 0 else f"was ended by {signal.Signals(-status).name}"


class TimedOut(Exception):
    """No whole document arrived in time."""


class DocumentStream:
    """The running program. Used by the thread that started it, which must outlive it (PDEATHSIG follows threads)."""

    def __init__(self, command: Sequence[str], split: Split) -> None:
        """Start the program. Raises OSError."""
        self._split = split
        self._buffer = bytearray()
        self._newest_at = time.monotonic()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in stop
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            bufsize=0,
            preexec_fn=_confine,
            env={**os.environ, "LC_ALL": "C"},
        )
        assert self._process.stdout is not None
        self._output = self._process.stdout
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._output, selectors.EVENT_READ)

    def newest(self, seconds: float) -> tuple[bytes, float]:
        """The newest whole document and when it arrived (Unix time).

        Waits for one until `seconds` after the previous one, or after the start. Raises Ended if the program ends without
        one, and TimedOut.
        """
        deadline = max(self._newest_at + seconds, time.monotonic() + _SHORTEST_WAIT_SECONDS)
        found: tuple[bytes, float] | None = None
        while True:
            has_more = bool(self._selector.select(0 if found else max(0.0, deadline - time.monotonic())))
            data = os.read(self._output.fileno(), 1 << 18) if has_more else b""
            self._buffer += data
            while (document := self._split(self._buffer)) is not None:
                found = (document, time.time())
                self._newest_at = time.monotonic()
            # A program that prints without pause always has more.
            if found and (not data or self._newest_at >= deadline):
                return found  # if the program has ended, the next call raises Ended
            if has_more and not data:
                raise self._ended()
            if len(self._buffer) > _MOST_BYTES:
                raise TimedOut("endless output without a whole document")
            if not has_more:
                raise TimedOut(f"no whole document for {round(seconds, 1):g} s")

    def stop(self) -> None:
        """End the program: SIGTERM, then SIGKILL. Can be called again."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._selector.close()
        self._output.close()
        self._errors.close()

    def _ended(self) -> Ended:
        status = self._process.wait()
        self._errors.seek(0)
        return Ended(status, bytes(self._buffer), self._errors.read(4096).decode(errors="replace").strip())


def run_once(command: Sequence[str], seconds: float) -> Ended:
    """How a program ended that exits by itself; its output is in `half`. Raises TimedOut and OSError."""
    stream = DocumentStream(command, lambda buffer: None)
    try:
        stream.newest(seconds)
    except Ended as ended:
        return ended
    finally:
        stream.stop()
    raise AssertionError("a stream without documents ends in an error")
