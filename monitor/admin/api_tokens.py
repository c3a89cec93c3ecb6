"""API tokens in the admin: made, with the secret shown this once, looked at and revoked. Each sees their own alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from monitor.access import tokens
from monitor.admin.filters import YesNoFilter
from monitor.models import ApiToken

LASTS_DAYS = {"30": "30 days", "90": "90 days", "365": "a year", "": "until it is revoked"}


class ApiTokenForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """A new token. One that is there is not changed any more."""

    scopes = forms.MultipleChoiceField(
        label="May",
        choices=[(name, f"{name}: {words}") for name, words in tokens.SCOPES.items()],
        widget=forms.CheckboxSelectMultiple,
        initial=["read"],
    )
    lasts_days = forms.ChoiceField(label="Lasts", choices=list(LASTS_DAYS.items()), initial="90", required=False)
    owner_id: int

    class Meta:
        model = ApiToken
        fields = ("name", "scopes")

    def clean_name(self) -> str:
        """One of each name a person: by it they tell them apart."""
        name = str(self.cleaned_data["name"])
        if ApiToken.objects.filter(owner_id=self.owner_id, name=name).exists():
            raise ValidationError("You have a token of this name. Take another, such as the one with the year.")
        return name


class _IsRevoked(YesNoFilter):
    title = "revoked"
    parameter_name = "revoked"

    def holds(self) -> Q:
        return Q(revoked_at__isnull=False)


@admin.register(ApiToken)
class ApiTokenAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """A token is made for oneself, whoever one is; whoever may manage all of them sees and revokes those of others."""

    form = ApiTokenForm
    list_display = ("name", "owner", "prefix", "may", "state", "expires_at", "last_used_at", "created_at")
    list_filter = (_IsRevoked,)
    search_fields = ("name", "prefix", "owner__username")
    actions = ("revoke_chosen",)
    fields = ("name", "owner", "prefix", "may", "state", "created_at", "expires_at", "last_used_at", "revoked_at")

    @admin.display(description="may")
    def may(self, token: ApiToken) -> str:
        """Its scopes."""
        return ", ".join(token.scopes) or "nothing"

    @admin.display(description="state")
    def state(self, token: ApiToken) -> str:
        """Whether it is taken now."""
        reason = tokens.why_not(token, timezone.now())
        return "good" if reason is None else "owner disabled" if reason == "disabled" else reason

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiToken]:
        """One's own, or all."""
        every = super().get_queryset(request).select_related("owner")
        return every if _may_manage_all(request) else every.filter(owner=request.user.pk)

    def has_change_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        """With the account; else tokens are revoked, and stay to be seen."""
        return _may_manage_all(request) and super().has_delete_permission(request, obj)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """For the action of the list."""
        return bool(request.user.has_perm("monitor.change_apitoken"))

    def get_fieldsets(self, request: HttpRequest, obj: ApiToken | None = None) -> Any:
        names = self.fields if obj else ("name", "scopes", "lasts_days")
        return [(None, {"fields": names})]

    def get_form(self, request: HttpRequest, obj: ApiToken | None = None, change: bool = False, **kwargs: Any) -> Any:
        if obj is not None:
            return super().get_form(request, obj, change, **kwargs)

        class Form(ApiTokenForm):
            owner_id = request.user.pk or 0

        return Form

    def save_model(self, request: HttpRequest, obj: ApiToken, form: Any, change: bool) -> None:
        """Made by tokens.make; the row that is saved takes the place of the form's."""
        days = form.cleaned_data["lasts_days"]
        made = tokens.make(
            owner=request.user,  # type: ignore[arg-type]  # the admin lets nobody else in
            name=obj.name,
            scopes=form.cleaned_data["scopes"],
            expires_at=timezone.now() + timedelta(days=int(days)) if days else None,
        )
        obj.__dict__.update(made.token.__dict__)
        request.new_token_secret = made.secret  # type: ignore[attr-defined]

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """With one button: all lead to the secret."""
        extra = {"show_save_and_continue": False, "show_save_and_add_another": False, **(extra_context or {})}
        return super().changeform_view(request, object_id, form_url, extra)

    def response_add(self, request: HttpRequest, obj: ApiToken, post_url_continue: str | None = None) -> HttpResponse:
        """The secret stands in this answer and nowhere else: no redirect, no message, which would keep it in a cookie."""
        context = {
            **self.admin_site.each_context(request),
            "title": "The new token",
            "opts": self.opts,
            "token": obj,
            "secret": request.new_token_secret,  # type: ignore[attr-defined]
            "may": self.may(obj),
        }
        return TemplateResponse(request, "admin/monitor/apitoken/made.html", context)

    def get_urls(self) -> list[URLPattern]:
        """The admin's pages and the button."""
        revoke = path(
            "<path:object_id>/revoke/", self.admin_site.admin_view(self.revoke), name="monitor_apitoken_revoke"
        )
        return [revoke, *super().get_urls()]

    def revoke(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Revoke one, by the button of its page."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_revoke_permission(request):
            raise PermissionDenied
        token = self.get_object(request, object_id)
        if token is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined, no-any-return]
        self._revoke(request, [token])
        return redirect(reverse("admin:monitor_apitoken_changelist"))

    @admin.action(description="Revoke the chosen tokens", permissions=["revoke"])
    def revoke_chosen(self, request: HttpRequest, chosen: QuerySet[ApiToken]) -> None:
        """Revoke several, from the list."""
        self._revoke(request, list(chosen))

    def _revoke(self, request: HttpRequest, chosen: list[ApiToken]) -> None:
        # Each is saved by itself, so that open sockets hear of it at once.
        for token in chosen:
            if token.revoked_at is None:
                token.revoked_at = timezone.now()
                token.save(update_fields=["revoked_at"])
                self.log_change(request, token, "Revoked.")
        names = ", ".join(token.name for token in chosen)
        self.message_user(request, f"Revoked: {names}. Nothing is answered to it any more.", messages.SUCCESS)


def _may_manage_all(request: HttpRequest) -> bool:
    return bool(request.user.has_perm("monitor.manage_all_apitokens"))
