"""The one-time link to create the first admin account, if no password is set for one."""

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
    """At most one link is valid. Only the hash of its token is kept, in memory: a restart makes a new one."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._digest: bytes | None = None
        self._until = 0.0
        self._lock = threading.Lock()

    def open(self) -> str:
        """Make a token, which invalidates the previous one."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._digest = _digest(token)
            self._until = self._clock() + VALID_SECONDS
        return token

    def fits(self, token: str) -> bool:
        """Whether this is the token, and valid."""
        with self._lock:
            return self._fits(token)

    @contextmanager
    def used(self, token: str) -> Iterator[bool]:
        """Use the token: yields whether it is valid, and invalidates it afterwards unless an exception was raised. A second
        request waits and then finds it invalid.
        """
        with self._lock:
            fits = self._fits(token)
            yield fits
            if fits:
                self._digest = None

    def close(self) -> None:
        """Invalidate the token."""
        with self._lock:
            self._digest = None

    def _fits(self, token: str) -> bool:
        if self._digest is None or self._clock() >= self._until:
            return False
        return secrets.compare_digest(self._digest, _digest(token))


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def has_administrator() -> bool:
    """Whether there is an active superuser."""
    return get_user_model()._default_manager.filter(is_superuser=True, is_active=True).exists()
