"""The settings in the admin: one row, one form, made from the declarations of the settings model. Changes apply when saved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from monitor.config.declarations import Declaration, declarations
from monitor.config.model import Config
from monitor.config.overrides import FIXED, layered
from monitor.models import SiteSettings
from monitor.runtime.process import runtime


class _Written:
    """A form field that leaves validation to the Config, and counts as changed if its text differs."""

    disabled: bool

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Whether 500 has become 501, not whether a number has become its text."""
        if self.disabled:
            return False
        return ("" if initial is None else str(initial)) != ("" if data is None else str(data).strip())


class _TextField(_Written, forms.CharField):
    def __init__(self, declared: Declaration) -> None:
        super().__init__(required=False, empty_value=None)


class _NumberField(_Written, forms.CharField):
    def __init__(self, declared: Declaration) -> None:
        bounds: dict[str, object] = {"min": declared.minimum, "max": declared.maximum}
        if declared.kind == "number":
            bounds["step"] = "any"
        super().__init__(required=False, empty_value=None, widget=forms.NumberInput(attrs=bounds))


class _ChoiceField(_Written, forms.ChoiceField):
    def __init__(self, declared: Declaration) -> None:
        words = {"True": "yes", "False": "no"}
        default = f"default ({in_words(declared.default)})" if declared.default is not None else "default"
        named = [(choice, words.get(choice, choice)) for choice in declared.choices or ("True", "False")]
        super().__init__(required=False, choices=[("", default), *named])

    def valid_value(self, value: Any) -> bool:
        """The Config rejects it, with the same message as for the environment."""
        return True


def field_of(declared: Declaration, config: Config) -> forms.Field:
    """The form field of a setting; disabled if the environment or `.env` sets it."""
    if declared.is_number:
        made: forms.Field = _NumberField(declared)
    elif declared.choices or declared.kind == "boolean":
        made = _ChoiceField(declared)
    else:
        made = _TextField(declared)
    made.label = declared.admin_label
    made.help_text = help_of(declared, config)
    made.disabled = config.source_of(declared.name) in FIXED
    return made


def in_words(value: Any) -> str:
    """A setting's value for people. None, in the row, means the default."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (tuple, list)):
        return ", ".join(value)
    return "default" if value is None else str(value)


def help_of(declared: Declaration, config: Config) -> str:
    """What a setting is, with its range and default; or which source sets it, if it cannot be changed here."""
    text = declared.description.replace("`", "")
    source = config.source_of(declared.name)
    if source in FIXED:
        place = "in the environment" if source == "environment" else "in .env"
        return f"{text} Set {place} by {declared.variable}, so it cannot be changed here."
    if declared.is_number:
        return f"{text} {declared.allowed.capitalize()}. Leave empty for the default ({declared.written_default})."
    default = (
        in_words(declared.default) if declared.default not in (None, (), "") else declared.default_text or "not set"
    )
    return f"{text} Default: {default}."


def in_admin(model: type[Config]) -> list[Declaration]:
    """The settings of the form, in its order."""
    declared = declarations(model)
    return [declared[name] for name in model.set_in_admin()]


class SiteSettingsForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """One field per setting. The Config validates the values, and its messages are shown."""

    class Meta:
        model = SiteSettings
        fields = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        config = runtime().config
        for declared in in_admin(type(config)):
            name = declared.name
            made = self.fields[name] = field_of(declared, config)
            value = getattr(config, name) if made.disabled else self._stored().get(name)
            self.initial[name] = in_words(value) if isinstance(value, (tuple, list)) else value

    def clean(self) -> dict[str, Any]:
        """The values as the Config reads them, and the row's new content. Values of disabled fields stay in the row."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        changeable = [name for name, field in self.fields.items() if not field.disabled and name in cleaned]
        config, refused = layered(runtime().settings.startup, {name: cleaned[name] for name in changeable})
        values = config.model_dump(mode="json", include={*changeable})
        overrides = dict(self._stored())
        for name in changeable:
            if name in refused:
                self.add_error(name, refused[name])
            elif cleaned[name] in (None, ""):
                cleaned[name] = None
                overrides.pop(name, None)
            else:
                cleaned[name] = overrides[name] = values[name]
        self.instance.overrides = overrides
        return cleaned

    def _stored(self) -> dict[str, Any]:
        """The row's content. Anything but an object, written by SQL, is ignored and replaced."""
        return self.instance.overrides if isinstance(self.instance.overrides, dict) else {}


@admin.register(SiteSettings)
class SiteSettingsAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """The one row. It seems to exist from the start, and can be neither added nor deleted."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: SiteSettings | None = None) -> bool:
        return False

    def get_form(
        self, request: HttpRequest, obj: SiteSettings | None = None, change: bool = False, **kwargs: Any
    ) -> type[SiteSettingsForm]:
        """Not one made by Django, which knows only the columns of the row."""
        return SiteSettingsForm

    def get_fieldsets(self, request: HttpRequest, obj: SiteSettings | None = None) -> Any:
        """The settings by group. Users who can only view them see the effective values as text."""
        can_change = self.has_change_permission(request, obj)
        groups: dict[str, list[str | Callable[[SiteSettings], str]]] = {}
        for declared in in_admin(type(runtime().config)):
            groups.setdefault(declared.group, []).append(declared.name if can_change else _as_text(declared))
        return [(group, {"fields": fields}) for group, fields in groups.items()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Redirects to the form, which checks the permission: a list of one row is pointless."""
        return redirect(reverse("admin:monitor_sitesettings_change", args=(1,)))

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        extra = {"title": "Settings", "subtitle": None, "show_save_and_continue": False, **(extra_context or {})}
        return super().changeform_view(request, object_id, form_url, extra)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> SiteSettings | None:
        """The row, or an unsaved one if nothing has been set yet."""
        if object_id != "1":
            return None
        return super().get_object(request, object_id, from_field) or SiteSettings()

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:
        """For the admin's log: each changed setting with its value before and after."""
        changes = [
            f"{form.fields[name].label}: {in_words(form.initial.get(name))} → {in_words(form.cleaned_data[name])}"
            for name in form.changed_data
        ]
        return [{"changed": {"fields": changes}}] if changes else []

    def save_model(self, request: HttpRequest, obj: SiteSettings, form: Any, change: bool) -> None:
        """Applies the settings to this process after the commit; other processes read them at their next look."""
        super().save_model(request, obj, form, change)
        transaction.on_commit(runtime().apply_settings)

    def response_change(self, request: HttpRequest, obj: SiteSettings) -> HttpResponse:
        """Back to the form, because there is no list."""
        self.message_user(request, "Saved. Changes apply immediately.")
        return redirect(reverse("admin:monitor_sitesettings_change", args=(1,)))


def _as_text(declared: Declaration) -> Callable[[SiteSettings], str]:
    """A read-only field of the admin, which shows the effective value."""

    def value(row: SiteSettings) -> str:
        return in_words(getattr(runtime().config, declared.name))

    value.__name__ = declared.name
    value.short_description = declared.admin_label  # type: ignore[attr-defined]  # as Django's admin reads it
    return value
