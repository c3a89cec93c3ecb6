"""`GET /api/usage/processes`: the processes of a span, for viewers who may see who runs what."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from typing import NamedTuple

import msgspec

from monitor.access.visitor import Visitor
from monitor.usage.processes import ProcessRecord, processes
from monitor.web.api.parameters import refuse_unknown, whole_number
from monitor.web.usage.span import UsageSpan, span_of

PARAMETERS = ("host", "range", "from", "to", "gpu", "limit")
DEFAULT_PROCESSES, MOST_PROCESSES = 500, 5000
HIDDEN = "Only viewers who may see who runs what see processes: log in."


class UsageProcesses(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of /api/usage/processes."""

    start: float
    end: float
    processes: list[ProcessRecord]
    """The last seen first."""
    is_cut: bool
    """There are as many as `limit` allows, so there may be more."""
    processes_hidden: str | None
    """Why `processes` is empty for this viewer; null if it is not."""


class Wanted(NamedTuple):
    """A request for processes."""

    span: UsageSpan
    gpu: str | None
    limit: int


def wanted_of(query: Mapping[str, str], now: float, zone: tzinfo) -> Wanted:
    """From the query. Raises ValueError with the problem and the valid values."""
    refuse_unknown(query, PARAMETERS)
    limit = whole_number("limit", query.get("limit", str(DEFAULT_PROCESSES)), 1, MOST_PROCESSES)
    return Wanted(span_of(query, now, zone), query.get("gpu") or None, limit)


def answer_of(wanted: Wanted, visitor: Visitor, host_id: str | None = None) -> UsageProcesses:
    """Read the ledger, of a host or of all. Not in an event loop."""
    span, found = wanted.span, []
    if visitor.sees_details:
        found = processes(span.start, span.end, uuid=wanted.gpu, host_id=host_id, most=wanted.limit)
    if not visitor.sees_commands:
        found = [msgspec.structs.replace(each, command=None, command_line=None) for each in found]
    return UsageProcesses(
        start=span.start,
        end=span.end,
        processes=found,
        is_cut=len(found) >= wanted.limit,
        processes_hidden=None if visitor.sees_details else HIDDEN,
    )
