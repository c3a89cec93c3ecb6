"""The live pieces of a page: what a page updates while it is open.

A *value* is the text of one element, with the attributes that change together with it. It is computed from the snapshot and never
rendered by a template, so a tick in which only numbers change renders no HTML. A *part* is the content of one element, rendered
by its template when its key changes: GPUs that appear or vanish, chips, table rows.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Hashable, Sequence
from typing import Literal, NamedTuple

import msgspec

from monitor.telemetry.schema import Snapshot


class Value(msgspec.Struct, frozen=True, gc=False):
    """The text of the element `name`, and those of its attributes that change together with it.

    The garbage collector skips values (`gc=False`): a value cannot refer to itself, and a page of all hosts has thousands of them.
    """

    name: str
    text: str
    attributes: tuple[tuple[str, str], ...] = ()


def mark_of(key: Hashable) -> str:
    """A short digest of a key, for the page to compare what it shows with what it receives."""
    return f"{zlib.crc32(repr(key).encode()):08x}"


class Part(NamedTuple):
    """The content of the element `name`, replaced when `key` changes."""

    name: str
    key: Hashable
    """Everything that the structure of the content depends on; not the values in it."""
    draw: Callable[[], str]
    is_rows: bool = False
    """The content is a list of elements with ids; elements that remain are not replaced, so they keep focus and selection."""

    @property
    def mark(self) -> str:
        """The digest of its key."""
        return mark_of(self.key)


class Pieces(NamedTuple):
    """All pieces of one page for one snapshot. A part precedes the parts inside it."""

    parts: Sequence[Part]
    values: Sequence[Value]
    title: str
    """Of the browser tab: begins with the problem if there is one."""
    level: Literal["ok", "warning", "critical"]


ANY_LINK = "/view/any/"
"""In addresses on pages opened with a read-only link, in place of the link, so that the clients of all links share their bytes."""


class LivePage(NamedTuple):
    """A kind of page, as the pages define it."""

    name: str
    """Unique: clients of pages with the same name who may see the same receive the same bytes."""
    pieces: Callable[[Snapshot], Pieces]
    gpu: str | None = None
    """UUID of the GPU whose charts the page shows; None for the sparklines of all GPUs."""
    has_charts: bool = True
    """A page without charts receives no points."""
    has_details: bool = True
    """Whether the page shows users and programs."""
    has_commands: bool = True
    """Whether it shows command lines as well."""
    is_of_fleet: bool = False
    """Whether it shows all hosts, not one."""
    is_by_link: bool = False
    """Whether the addresses on it begin with ANY_LINK."""

    def without_details(self) -> LivePage:
        """The same page without users, programs and command lines."""
        return self._replace(has_details=False, has_commands=False)

    def without_commands(self) -> LivePage:
        """The same page without command lines."""
        return self._replace(has_commands=False)
