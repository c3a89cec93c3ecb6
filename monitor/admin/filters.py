"""Yes/no filters for admin lists."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest


class YesNoFilter(admin.SimpleListFilter):
    """Yes, no or all. A subclass defines `title`, `parameter_name` and `holds`."""

    def holds(self) -> Q:
        """The condition of the rows under Yes."""
        raise NotImplementedError

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Yes"), ("no", "No")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Any other value, which no link has, selects all rows."""
        if self.value() == "yes":
            return queryset.filter(self.holds())
        return queryset.exclude(self.holds()) if self.value() == "no" else queryset
