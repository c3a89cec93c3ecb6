"""Which pages may open a socket: a browser says in Origin where the page came from, a program says nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.http.request import split_domain_port, validate_host


class Origins:
    """The rule, from ALLOWED_HOSTS and CSRF_TRUSTED_ORIGINS.

    The Host header has to be one of ours (else another site's name could be pointed at this machine: DNS rebinding), and
    Origin has to be that host, or one that is trusted by name.
    """

    def __init__(self, allowed_hosts: Sequence[str], trusted_origins: Sequence[str]) -> None:
        self._allowed_hosts = list(allowed_hosts)
        self._trusted = {origin.lower().rstrip("/") for origin in trusted_origins}

    def allow(self, scope: Mapping[str, Any], *, without_origin: bool) -> bool:
        """Whether a handshake may go on. `without_origin`: whether one without the header may."""
        host = _header(scope, b"host")
        domain, _ = split_domain_port(host or "")
        if not domain or not validate_host(domain, self._allowed_hosts):
            return False
        origin = _header(scope, b"origin")
        if origin is None:
            return without_origin
        if origin.lower() in self._trusted:
            return True
        try:
            netloc = urlsplit(origin).netloc
        except ValueError:
            return False
        return bool(netloc) and netloc.lower() == (host or "").lower()


def _header(scope: Mapping[str, Any], name: bytes) -> str | None:
    for key, value in scope["headers"]:
        if key == name:
            text: str = value.decode("latin-1")
            return text
    return None
