"""What API tokens and read-only links have in common in the admin: they are created and revoked, and never changed."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from monitor.admin.filters import YesNoFilter
from monitor.admin.key_safe import KeySafe

LASTS_DAYS = {"30": "30 days", "90": "90 days", "365": "a year"}


class IsRevoked(YesNoFilter):
    """Shows the revoked ones, or the others."""

    title = "revoked"
    parameter_name = "revoked"

    def holds(self) -> Q:
        return Q(revoked_at__isnull=False)


class RevocableAdmin(KeySafe, admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """Rows with a name and `revoked_at`, and a Revoke button."""

    change_form_template = "admin/monitor/revocable.html"
    list_filter = (IsRevoked,)
    actions = ("revoke_chosen",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """For the list's action."""
        return super().has_change_permission(request)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """One button, because every button would lead to the secret."""
        extra = {
            "show_save_and_continue": False,
            "show_save_and_add_another": False,
            "may_revoke": self.has_revoke_permission(request),
            **(extra_context or {}),
        }
        return super().changeform_view(request, object_id, form_url, extra)

    def get_urls(self) -> list[URLPattern]:
        """The admin's pages and the Revoke button."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_revoke"
        revoke = path("<path:object_id>/revoke/", self.admin_site.admin_view(self.revoke), name=name)
        return [revoke, *super().get_urls()]

    def revoke(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Revoke one from its page."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_revoke_permission(request):
            raise PermissionDenied
        row = self.get_object(request, object_id)
        if row is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined, no-any-return]
        self._revoke(request, [row])
        return redirect(reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"))

    @admin.action(description="Revoke selected %(verbose_name_plural)s", permissions=["revoke"])
    def revoke_chosen(self, request: HttpRequest, chosen: QuerySet[Any]) -> None:
        """Revoke several from the list."""
        self._revoke(request, list(chosen))

    def _revoke(self, request: HttpRequest, chosen: list[Any]) -> None:
        # Saved one by one: the signal of each closes its open sockets.
        for row in chosen:
            if row.revoked_at is None:
                row.revoked_at = timezone.now()
                row.save(update_fields=["revoked_at"])
                self.log_change(request, row, "Revoked.")
        names = ", ".join(row.name for row in chosen)
        self.message_user(request, f"Revoked: {names}. Requests with it are rejected from now on.", messages.SUCCESS)
