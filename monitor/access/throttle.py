"""Limits per client on API requests, on forms with passwords, and on wrong passwords.

They are in the memory of this process, the only one that serves: a restart ends a lockout.
"""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Callable

from monitor.access.policy import is_loopback
from monitor.access.rate_limiter import Rate, client_of

FORMS_PER_MINUTE = 30
"""Forms with passwords per address, right or wrong: each costs a slow hash."""
WRONG_PER_NAME = 5
"""Wrong passwords for one name from one address before it has to wait; one attempt returns every three minutes."""
WRONG_PER_ADDRESS = 20
"""Wrong passwords from one address, whatever the names; one attempt returns every minute."""
_WITH_PASSWORDS = ("/login", "/setup/", "/account/password", "/admin/")


class Throttle:
    """The limits of one server. Used from any thread."""

    def __init__(self, *, api_per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        # A burst of ten seconds' requests is allowed.
        self._api = Rate(per_minute=api_per_minute, at_once=max(10, api_per_minute / 6), clock=clock)
        self._forms = Rate(per_minute=FORMS_PER_MINUTE, at_once=FORMS_PER_MINUTE, clock=clock)
        self._names = Rate(per_minute=1 / 3, at_once=WRONG_PER_NAME, clock=clock)
        self._addresses = Rate(per_minute=1, at_once=WRONG_PER_ADDRESS, clock=clock)

    def wait_for_request(self, method: str, path: str, address: str) -> int:
        """Count a request. Returns 0, or the seconds it has to wait. The host itself has no limit, so it is never locked out."""
        if is_loopback(address):
            return 0
        if path.startswith("/api/"):
            return self._api.take(client_of(address))
        if method == "POST" and path.startswith(_WITH_PASSWORDS):
            return self._forms.take(client_of(address))
        return 0

    def wait_for_password(self, name: str, address: str) -> int:
        """Call before a password is checked. Returns 0, or the seconds it has to wait.

        The attempt counts as wrong until `password_was_right`, so that parallel attempts are limited too.
        """
        client = client_of(address)
        if wait := self._addresses.take(client):
            return wait
        if wait := self._names.take(_key(name, client)):
            self._addresses.give_back(client)
        return wait

    def password_was_right(self, name: str, address: str) -> None:
        """Give back all attempts for this name, and this one for the address."""
        client = client_of(address)
        self._names.forget(_key(name, client))
        self._addresses.give_back(client)


def _key(name: str, client: str) -> str:
    # The login form accepts equivalent spellings of a name (django.contrib.auth.forms.UsernameField), so all of them count for
    # the same account. Ignoring case as well only makes guessing slower.
    return f"{client} {unicodedata.normalize('NFKC', name).strip().casefold()[:150]}"
