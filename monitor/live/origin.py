"""Which pages may open a socket: a browser says in Origin where the page came from, a program says nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.http.request import split_domain_port, validate_host
from django.utils.http import is_same_domain


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
            scheme, netloc = urlsplit(origin.lower())[:2]
        except ValueError:
            return False
        return bool(netloc) and (netloc == (host or "").lower() or self._is_below_trusted(scheme, netloc))

    def _is_below_trusted(self, scheme: str, netloc: str) -> bool:
        """Whether it is one that `https://*.example.com` stands for, as Django has it for forms."""
        wildcards = (trusted.split("://*", 1) for trusted in self._trusted if "://*." in trusted)
        return any(scheme == of and is_same_domain(netloc, below) for of, below in wildcards)


def _header(scope: Mapping[str, Any], name: bytes) -> str | None:
    for key, value in scope["headers"]:
        if key == name:
            text: str = value.decode("latin-1")
            return text
    return None
