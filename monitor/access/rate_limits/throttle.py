"""Limits per client on API requests, on forms with passwords, and on wrong passwords; the last per name too.

They are in the memory of this process, the only one that serves: a restart ends a lockout.
"""

from __future__ import annotations

import threading
import time
import unicodedata
from collections import OrderedDict
from collections.abc import Callable

from monitor.access.rate_limits.rate_limiter import MOST_CLIENTS, Rate, client_of, site_of
from monitor.config.hosts import is_loopback
from monitor.http.program_paths import is_for_programs

FORMS_PER_MINUTE = 30
"""Forms with passwords per address, right or wrong: each costs a slow hash."""
WRONG_PER_NAME = 5
"""Wrong passwords for one name from one address before it has to wait; one attempt returns every three minutes."""
WRONG_PER_ADDRESS = 20
"""Wrong passwords from one address, whatever the names; one attempt returns every minute."""
WRONG_PER_SITE = 60
"""Wrong passwords from one IPv6 /48, whatever the names and addresses; five attempts return every minute."""
WRONG_FROM_ANYWHERE = 10
"""Wrong passwords for one name from all addresses where its owner has not logged in; 100 attempts return every hour."""
_WITH_PASSWORDS = ("/login", "/setup/", "/account/password", "/admin/")


class Throttle:
    """The limits of one server. Used from any thread."""

    def __init__(self, *, api_per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        # A burst of ten seconds' requests is allowed.
        self._api = Rate(per_minute=api_per_minute, at_once=max(10, api_per_minute / 6), clock=clock)
        self._forms = Rate(per_minute=FORMS_PER_MINUTE, at_once=FORMS_PER_MINUTE, clock=clock)
        self._names = Rate(per_minute=1 / 3, at_once=WRONG_PER_NAME, clock=clock)
        self._addresses = Rate(per_minute=1, at_once=WRONG_PER_ADDRESS, clock=clock)
        self._sites = Rate(per_minute=5, at_once=WRONG_PER_SITE, clock=clock)
        self._anywhere = Rate(per_minute=100 / 60, at_once=WRONG_FROM_ANYWHERE, clock=clock)
        self._known: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def wait_for_request(self, method: str, path: str, address: str) -> int:
        """Count a request. Returns 0, or the seconds it has to wait. The host itself has no limit, so it is never locked out."""
        if is_loopback(address):
            return 0
        if is_for_programs(path):
            return self._api.take(client_of(address))
        if method == "POST" and path.startswith(_WITH_PASSWORDS):
            return self._forms.take(client_of(address))
        return 0

    def wait_for_password(self, name: str, address: str) -> int:
        """Call before a password is checked. Returns 0, or the seconds it has to wait.

        The attempt counts as wrong until `password_was_right`, so that parallel attempts are limited too.
        """
        taken: list[tuple[Rate, str]] = []
        for rate, client in self._limits(name, address):
            if wait := rate.take(client):
                for other, of in taken:
                    other.give_back(of)
                return wait
            taken.append((rate, client))
        return 0

    def password_was_right(self, name: str, address: str) -> None:
        """Give back all attempts for this name from this address, and this one elsewhere. The owner is known there from now on."""
        for rate, client in self._limits(name, address):
            rate.give_back(client)
        key = _key(name, client_of(address))
        self._names.forget(key)
        with self._lock:
            self._known[key] = None
            self._known.move_to_end(key)
            if len(self._known) > MOST_CLIENTS:
                self._known.popitem(last=False)

    def _limits(self, name: str, address: str) -> list[tuple[Rate, str]]:
        """The limits that apply to this attempt. Where the owner has logged in, others cannot use up the attempts."""
        client = client_of(address)
        key = _key(name, client)
        limits = [(self._addresses, client), (self._names, key)]
        if (site := site_of(address)) is not None:
            limits.append((self._sites, site))
        if key not in self._known and not is_loopback(address):
            limits.append((self._anywhere, _key(name, "")))
        return limits


def _key(name: str, client: str) -> str:
    # The login form accepts equivalent spellings of a name (django.contrib.auth.forms.UsernameField), so all of them count for
    # the same account. Ignoring case as well only makes guessing slower.
    return f"{client} {unicodedata.normalize('NFKC', name).strip().casefold()[:150]}"
