"""What an address asks of the page of hosts: filter, sorting, grouping. The socket's address says it in the same words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple
from urllib.parse import parse_qsl, urlencode

from monitor.web.hosts.columns import COLUMNS, is_column
from monitor.web.hosts.host_filter import BadFilter, HostFilter

Grouping = Literal["tag", "model", "none"]
GROUPINGS: Mapping[str, str] = {"tag": "Group by tag", "model": "Group by model", "none": "No groups"}
PREFIX = "hosts"
_LONGEST_NAME = 1000


class Wanted(NamedTuple):
    """The arrangement of the page."""

    text: str = ""
    """The filter as it was written."""
    filter: HostFilter = HostFilter("")
    sort: str = "host"
    is_descending: bool = False
    group: str = "tag"
    problem: str = ""
    """What of the address is not understood, and so has no effect."""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Wanted:
        """From the parameters of an address."""
        text, problems, found = query.get("filter", "").strip(), [], HostFilter("")
        try:
            found = HostFilter(text)
        except BadFilter as error:
            problems.append(str(error))
        sort, order, group = query.get("sort") or "host", query.get("order") or "asc", query.get("group") or "tag"
        if not is_column(sort):
            problems.append(f"sort is {sort[:60]!r}; it must be one of {', '.join(each.name for each in COLUMNS)}.")
            sort = "host"
        if order not in ("asc", "desc"):
            problems.append(f"order is {order[:60]!r}; it must be asc or desc.")
        if group not in GROUPINGS:
            problems.append(f"group is {group[:60]!r}; it must be one of {', '.join(GROUPINGS)}.")
            group = "tag"
        return cls(text[:_LONGEST_NAME], found, sort, order == "desc", group, " ".join(problems))

    @property
    def order(self) -> str:
        """As the address says it."""
        return "desc" if self.is_descending else "asc"

    @property
    def direction(self) -> str:
        """As `aria-sort` says it."""
        return "descending" if self.is_descending else "ascending"

    def sorted_by(self, column: str) -> str:
        """The query for the same hosts by another column, or by the same one the other way. Numbers start with the largest."""
        is_text = column in ("host", "model", "state", "age")
        order = (
            "desc"
            if (column == self.sort and not self.is_descending) or (column != self.sort and not is_text)
            else "asc"
        )
        asked = {"filter": self.text, "group": self.group, "sort": column, "order": order}
        return urlencode({name: value for name, value in asked.items() if value})

    @property
    def page_name(self) -> str:
        """The name of the live page: pages that ask for the same hosts receive the same bytes."""
        text = "" if self.problem else self.text
        asked = {"filter": text, "group": self.group, "sort": self.sort, "order": self.order}
        return f"{PREFIX}?{urlencode({name: value for name, value in asked.items() if value})}"


def wanted_of_page(name: str) -> Wanted | None:
    """What the live page of this name shows; None if it is not of this kind."""
    prefix, _, query = name.partition("?")
    if prefix != PREFIX or len(name) > _LONGEST_NAME:
        return None
    return Wanted.of(dict(parse_qsl(query)))
