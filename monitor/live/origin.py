"""Which pages may open a WebSocket. Browsers send the site of the page in the Origin header; programs send none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.http.request import split_domain_port, validate_host
from django.utils.http import is_same_domain


class Origins:
    """The hosts and origins of ALLOWED_HOSTS and CSRF_TRUSTED_ORIGINS.

    The Host header must be an allowed host; otherwise another site could point its name at this server (DNS rebinding). Origin
    must be the same host or a trusted origin.
    """

    def __init__(self, allowed_hosts: Sequence[str], trusted_origins: Sequence[str]) -> None:
        self._allowed_hosts = list(allowed_hosts)
        self._trusted = {origin.lower().rstrip("/") for origin in trusted_origins}

    def allow(self, scope: Mapping[str, Any], *, without_origin: bool) -> bool:
        """Whether to accept a handshake. `without_origin`: the answer if it has no Origin header."""
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
            scheme, netloc = urlsplit(origin.lower())[:2]
        except ValueError:
            return False
        return bool(netloc) and (netloc == (host or "").lower() or self._is_below_trusted(scheme, netloc))

    def _is_below_trusted(self, scheme: str, netloc: str) -> bool:
        """Whether a wildcard like `https://*.example.com` matches, as Django matches it for forms."""
        wildcards = (trusted.split("://*", 1) for trusted in self._trusted if "://*." in trusted)
        return any(scheme == trusted_scheme and is_same_domain(netloc, domain) for trusted_scheme, domain in wildcards)


def _header(scope: Mapping[str, Any], name: bytes) -> str | None:
    for key, value in scope["headers"]:
        if key == name:
            text: str = value.decode("latin-1")
            return text
    return None
