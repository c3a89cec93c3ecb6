"""The one-time link by which the first administrator is made, where no password was given for one."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.contrib.auth import get_user_model

VALID_SECONDS = 24 * 3600.0


class SetupLink:
    """At most one link is open. Of its token only the hash is kept, in memory: a restart makes another."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._digest: bytes | None = None
        self._until = 0.0
        self._lock = threading.Lock()

    def open(self) -> str:
        """Make a token; one made before is good no longer."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._digest = _digest(token)
            self._until = self._clock() + VALID_SECONDS
        return token

    def fits(self, token: str) -> bool:
        """Whether this is the token, and still good."""
        with self._lock:
            return self._fits(token)

    @contextmanager
    def used(self, token: str) -> Iterator[bool]:
        """Whether it fits, for what is done with it: after that it is good no longer, unless that failed. Of two who come at
        once the second waits, and is not let in.
        """
        with self._lock:
            fits = self._fits(token)
            yield fits
            if fits:
                self._digest = None

    def close(self) -> None:
        """It is good no longer."""
        with self._lock:
            self._digest = None

    def _fits(self, token: str) -> bool:
        if self._digest is None or self._clock() >= self._until:
            return False
        return secrets.compare_digest(self._digest, _digest(token))


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def has_administrator() -> bool:
    """Whether anybody may administer this server."""
    return get_user_model()._default_manager.filter(is_superuser=True, is_active=True).exists()
