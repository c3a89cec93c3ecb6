"""GPUs seen so far, read-only. The rule form searches them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from monitor.admin.key_safe import KeySafe
from monitor.models import SeenGpu


@admin.register(SeenGpu)
class SeenGpuAdmin(KeySafe, admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """Only the alert engine writes these rows."""

    list_display = ("uuid", "host", "index", "name", "last_seen_at")
    list_filter = ("host", "name")
    search_fields = ("uuid", "name", "host")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
