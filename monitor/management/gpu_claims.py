"""Claims on GPUs, so that two commands that wait at the same time do not get the same ones.

A claim is a Unix socket bound to an abstract name (unix(7)): it works between users, leaves no file behind, passes to the command
that replaces this process, and ends with the last process that holds it. It is seen by `gpumon wait` only.
"""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Iterable

_LONGEST_NAME = 100


class Claims:
    """The GPUs claimed by this process."""

    def __init__(self) -> None:
        self._held: dict[str, socket.socket] = {}

    def take(self, devices: Iterable[str]) -> frozenset[str]:
        """Claim all of these devices, or none. Returns those that another process has claimed; none: all are ours."""
        taken = frozenset([device for device in devices if device not in self._held and not self._claim(device)])
        if taken:
            self.give_back()
        return taken

    def give_back(self) -> None:
        """Release all claims."""
        for claim in self._held.values():
            claim.close()
        self._held.clear()

    def pass_on(self) -> None:
        """Keep the claims when another program replaces this process."""
        for claim in self._held.values():
            claim.set_inheritable(True)

    def _claim(self, device: str) -> bool:
        """False if another process has it. Where there are no such sockets, everything can be claimed."""
        if sys.platform != "linux":
            return True
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            claim.bind(f"\0gpumon/{device}"[:_LONGEST_NAME])
        except OSError as error:
            claim.close()
            if error.errno != errno.EADDRINUSE:
                raise
            return False
        self._held[device] = claim
        return True
