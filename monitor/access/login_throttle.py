"""Guessing passwords is slow: a few failures, then a wait, for each name and address, and for each address whatever the names.

In memory, and for this process alone, which is the only one that serves (a restart forgets, and ends a lockout).
"""

from __future__ import annotations

import unicodedata

from monitor.access.rate_limiter import Rate, client_of

PER_NAME = 5
"""Failures of one name from one address before it has to wait; one comes back every three minutes."""
PER_ADDRESS = 20
"""Failures from one address, whatever the names; one comes back every minute."""


class Attempts:
    """Failed logins. Who has logged in gets all tries of that name back, not those of the address."""

    def __init__(self, names: Rate | None = None, addresses: Rate | None = None) -> None:
        self._names = names or Rate(per_minute=1 / 3, at_once=PER_NAME)
        self._addresses = addresses or Rate(per_minute=1, at_once=PER_ADDRESS)

    def begin(self, name: str, address: str) -> int:
        """Before a password is looked at: 0, or in how many seconds it would be. Counts as a failure until it `succeeded`, so
        that many at once are not let through together.
        """
        client = client_of(address)
        if wait := self._addresses.take(client):
            return wait
        if wait := self._names.take(_key(name, client)):
            self._addresses.give_back(client)
        return wait

    def succeeded(self, name: str, address: str) -> None:
        """The password was right: this name may fail again as often as before."""
        client = client_of(address)
        self._names.forget(_key(name, client))
        self._addresses.give_back(client)


def _key(name: str, client: str) -> str:
    # The form takes spellings that look alike for the same name (django.contrib.auth.forms.UsernameField), so each is tried
    # against the same account. That capitals count as one with the rest only makes guessing slower.
    return f"{client} {unicodedata.normalize('NFKC', name).strip().casefold()[:150]}"
