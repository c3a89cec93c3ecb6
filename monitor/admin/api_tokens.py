"""API tokens in the admin: create one (its secret is shown once), list and revoke. Users see only their own tokens."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from monitor.access import tokens
from monitor.admin.revocable import LASTS_DAYS, RevocableAdmin
from monitor.models import ApiToken


class ApiTokenForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """A new token. Existing tokens cannot be changed."""

    scopes = forms.MultipleChoiceField(
        label="Scopes",
        choices=[(name, f"{name}: {words}") for name, words in tokens.SCOPES.items()],
        widget=forms.CheckboxSelectMultiple,
        initial=["read"],
    )
    lasts_days = forms.ChoiceField(
        label="Expires after", choices=[*LASTS_DAYS.items(), ("", "never")], initial="90", required=False
    )
    owner_id: int

    class Meta:
        model = ApiToken
        fields = ("name", "scopes")

    def clean_name(self) -> str:
        """Names are unique per owner."""
        name = str(self.cleaned_data["name"])
        if ApiToken.objects.filter(owner_id=self.owner_id, name=name).exists():
            raise ValidationError("You already have a token with this name. Choose another.")
        return name


@admin.register(ApiToken)
class ApiTokenAdmin(RevocableAdmin):
    """Users create tokens for themselves. Managers of all tokens also see and revoke those of others."""

    form = ApiTokenForm
    list_display = ("name", "owner", "prefix", "may", "state", "expires_at", "last_used_at", "created_at")
    search_fields = ("name", "prefix", "owner__username")
    fields = ("name", "owner", "prefix", "may", "state", "created_at", "expires_at", "last_used_at", "revoked_at")

    @admin.display(description="scopes")
    def may(self, token: ApiToken) -> str:
        return ", ".join(token.scopes) or "nothing"

    @admin.display(description="state")
    def state(self, token: ApiToken) -> str:
        """Whether it is accepted now."""
        reason = tokens.why_not(token, timezone.now())
        return "valid" if reason is None else "owner disabled" if reason == "disabled" else reason

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiToken]:
        """The user's own tokens, or all."""
        every = super().get_queryset(request).select_related("owner")
        return every if _may_manage_all(request) else every.filter(owner=request.user.pk)

    def has_delete_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        """Tokens are revoked and stay listed; they are deleted with their owner."""
        return _may_manage_all(request) and super().has_delete_permission(request, obj)

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
        """`tokens.make` saves the row; it replaces the form's instance."""
        days = form.cleaned_data["lasts_days"]
        made = tokens.make(
            owner=request.user,  # type: ignore[arg-type]  # the admin's users are logged in
            name=obj.name,
            scopes=form.cleaned_data["scopes"],
            expires_at=timezone.now() + timedelta(days=int(days)) if days else None,
        )
        obj.__dict__.update(made.token.__dict__)
        request.new_token_secret = made.secret  # type: ignore[attr-defined]

    def response_add(self, request: HttpRequest, obj: ApiToken, post_url_continue: str | None = None) -> HttpResponse:
        """Show the secret in this response only: a redirect with a message would keep it in a cookie."""
        context = {
            **self.admin_site.each_context(request),
            "title": "New API token",
            "opts": self.opts,
            "token": obj,
            "secret": request.new_token_secret,  # type: ignore[attr-defined]
            "may": self.may(obj),
        }
        return TemplateResponse(request, "admin/monitor/apitoken/made.html", context)


def _may_manage_all(request: HttpRequest) -> bool:
    return bool(request.user.has_perm("monitor.manage_all_apitokens"))
