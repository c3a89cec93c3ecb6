"""Every address of the site, from the URL configuration."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RegexPattern

PLACEHOLDER, UUID_PLACEHOLDER = "1", "00000000-0000-4000-8000-000000000001"
"""Values that the parameters of addresses accept. tests/web/test_garbage.py fails if a new converter accepts neither."""


class Address(NamedTuple):
    """An address of the configuration, with its parameters filled in."""

    path: str
    view: object


def fill(group: re.Match[str]) -> str:
    """Fill a choice of words (`auth|monitor`) with its first one, anything else with PLACEHOLDER."""
    return group[1].partition("|")[0] if re.fullmatch(r"\w[\w|]*", group[1]) else PLACEHOLDER


def addresses(entries: list[URLPattern | URLResolver] | None = None, prefix: str = "/") -> Iterator[Address]:
    """Every address of the site, with PLACEHOLDER for each parameter."""
    for entry in get_resolver().url_patterns if entries is None else entries:
        pattern = str(entry.pattern)
        if isinstance(entry.pattern, RegexPattern):
            pattern = re.sub(r"\(\?P<\w+>([^()]*)\)", fill, pattern).strip("^$").replace("\\", "")
        else:
            pattern = re.sub(r"<uuid:[^>]+>", UUID_PLACEHOLDER, pattern)
            pattern = re.sub(r"<[^>]+>", PLACEHOLDER, pattern)
        if isinstance(entry, URLResolver):
            yield from addresses(entry.url_patterns, prefix + pattern)
        else:
            yield Address(prefix + pattern, entry.callback)
