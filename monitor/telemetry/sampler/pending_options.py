"""Options set by other threads, until the supervisor's thread applies them. A pipe wakes its selector."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from monitor.telemetry.options import Options


class PendingOptions:
    """Used from any thread, except `take`, `drain` and `close`, which belong to the supervisor's."""

    def __init__(self, options: Options) -> None:
        self._newest = options
        self._is_changed = False
        self._is_closed = False
        self._lock = threading.Lock()
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)

    @property
    def newest(self) -> Options:
        """The options last set, applied or not."""
        with self._lock:
            return self._newest

    def change(self, change: Callable[[Options], Options]) -> None:
        """Replace the newest options by what `change` makes of them."""
        with self._lock:
            self._newest = change(self._newest)
            self._is_changed = True
        self.wake()

    def wake(self) -> None:
        """Wake the supervisor."""
        with self._lock:
            if self._is_closed:
                return
            try:
                os.write(self._writer, b".")
            except BlockingIOError:
                return  # the pipe is full of wakes already

    def fileno(self) -> int:
        """The pipe's end for a selector."""
        return self._reader

    def drain(self) -> None:
        """Empty the pipe."""
        os.read(self._reader, 4096)

    def take(self) -> Options | None:
        """The newest options if they were set since the last call."""
        with self._lock:
            is_changed, self._is_changed = self._is_changed, False
            return self._newest if is_changed else None

    def close(self) -> None:
        """Close the pipe; later changes wake no one."""
        with self._lock:
            self._is_closed = True
            os.close(self._reader)
            os.close(self._writer)
