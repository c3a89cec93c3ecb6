"""Read-only links in the admin: create one, open its page for its address, list and revoke."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from monitor.access import view_links
from monitor.admin.revocable import LASTS_DAYS, RevocableAdmin
from monitor.models import ViewLink


class ViewLinkForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """A new link. Existing links cannot be changed."""

    lasts_days = forms.ChoiceField(
        label="Expires after", choices=[("1", "a day"), ("7", "a week"), *LASTS_DAYS.items()], initial="30"
    )

    class Meta:
        model = ViewLink
        fields = ("name",)

    def clean_name(self) -> str:
        """Names of links that are not revoked are unique."""
        name = str(self.cleaned_data["name"])
        if ViewLink.objects.filter(name=name, revoked_at__isnull=True).exists():
            raise ValidationError("There is a link with this name. Revoke it, or choose another name.")
        return name


@admin.register(ViewLink)
class ViewLinkAdmin(RevocableAdmin):
    """For administrators, who see the links of all."""

    form = ViewLinkForm
    change_form_template = "admin/monitor/viewlink/change_form.html"
    list_display = ("name", "creator", "state", "expires_at", "last_used_at", "created_at")
    search_fields = ("name", "created_by__username")
    fields = ("name", "creator", "state", "created_at", "expires_at", "last_used_at", "revoked_at")

    @admin.display(description="created by")
    def creator(self, link: ViewLink) -> str:
        return "the command line" if link.created_by is None else link.created_by.get_username()

    @admin.display(description="state")
    def state(self, link: ViewLink) -> str:
        """Whether it is accepted now."""
        reason = view_links.why_not(link, timezone.now())
        return "valid" if reason is None else "creator disabled" if reason == "disabled" else reason

    def get_queryset(self, request: HttpRequest) -> QuerySet[ViewLink]:
        return super().get_queryset(request).select_related("created_by")

    def get_fieldsets(self, request: HttpRequest, obj: ViewLink | None = None) -> Any:
        return [(None, {"fields": self.fields if obj else ("name", "lasts_days")})]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The page of a link, with its address while it is valid."""
        link = self.get_object(request, object_id)
        address = ""
        if link is not None and view_links.why_not(link, timezone.now()) is None:
            address = request.build_absolute_uri(request.META["SCRIPT_NAME"] + view_links.path_of(link))
        return super().change_view(request, object_id, form_url, {"address": address, **(extra_context or {})})

    def save_model(self, request: HttpRequest, obj: ViewLink, form: Any, change: bool) -> None:
        """`view_links.make` saves the row; it replaces the form's instance."""
        made = view_links.make(
            name=obj.name,
            created_by=request.user,  # type: ignore[arg-type]  # the admin's users are logged in
            expires_at=timezone.now() + timedelta(days=int(form.cleaned_data["lasts_days"])),
        )
        obj.__dict__.update(made.__dict__)

    def response_add(self, request: HttpRequest, obj: ViewLink, post_url_continue: str | None = None) -> HttpResponse:
        """Go to its page, which shows the address."""
        return redirect("admin:monitor_viewlink_change", obj.pk)
