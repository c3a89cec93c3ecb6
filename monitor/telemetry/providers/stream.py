"""Runs a program: as a stream of documents, of which the newest is read, or once for its whole output."""

from __future__ import annotations

import ctypes
import os
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
_MOST_BYTES = 64 * 1024 * 1024
"""More output than this without a whole document is an error."""


def _die_with_parent() -> None:
    """Runs in the child before exec: the program ends with this process, however that ends (prctl(2))."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class Ended(Exception):
    """The program has ended. `status` is negative for a signal; `half` is the unfinished document."""

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
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in stop
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            bufsize=0,
            preexec_fn=_die_with_parent,
            env={**os.environ, "LC_ALL": "C"},
        )
        assert self._process.stdout is not None
        self._output = self._process.stdout
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._output, selectors.EVENT_READ)

    def newest(self, seconds: float) -> tuple[bytes, float]:
        """The newest whole document and when it arrived (Unix time). Waits for one at most `seconds`.

        Raises Ended if the program ends without one, and TimedOut.
        """
        deadline = time.monotonic() + seconds
        found: tuple[bytes, float] | None = None
        while True:
            has_more = bool(self._selector.select(0 if found else max(0.0, deadline - time.monotonic())))
            data = os.read(self._output.fileno(), 1 << 18) if has_more else b""
            self._buffer += data
            while (document := self._split(self._buffer)) is not None:
                found = (document, time.time())
            if found and not has_more:
                return found
            if has_more and not data:
                if found:
                    return found  # the next call raises Ended
                raise self._ended()
            if len(self._buffer) > _MOST_BYTES:
                raise TimedOut("endless output without a whole document")
            if not has_more:
                raise TimedOut(f"no whole document for {seconds:.0f} s")

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


def run_once(command: Sequence[str], seconds: float) -> bytes:
    """The output of a program that exits by itself. Raises Ended if its exit status is not 0, TimedOut and OSError."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            check=False,
            preexec_fn=_die_with_parent,
            env={**os.environ, "LC_ALL": "C"},
        )
    except subprocess.TimeoutExpired as error:
        raise TimedOut(f"no output for {seconds:.0f} s") from error
    if done.returncode != 0:
        raise Ended(done.returncode, done.stdout, done.stderr[-4096:].decode(errors="replace").strip())
    return done.stdout
