"""Filters of lists that part the rows in two."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest


class YesNoFilter(admin.SimpleListFilter):
    """Yes, No or all. A subclass has `title`, `parameter_name` and `holds`."""

    def holds(self) -> Q:
        """What the rows of Yes have in common."""
        raise NotImplementedError

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Yes"), ("no", "No")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """All of them for any other value, which is in no link."""
        if self.value() == "yes":
            return queryset.filter(self.holds())
        return queryset.exclude(self.holds()) if self.value() == "no" else queryset
