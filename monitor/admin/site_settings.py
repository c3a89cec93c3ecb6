"""The settings in the admin: one row, one form. What is saved applies at once; what the environment fixes is only shown."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from monitor.config.loading import schema_of, what_it_takes
from monitor.config.model import PREFIX, Config
from monitor.config.overrides import FIXED, SET_IN_ADMIN, layered
from monitor.models import SiteSettings
from monitor.runtime.process import runtime

MEANINGS = {
    "poll_interval_ms": "Time between two readings, in milliseconds",
    "ws_max_rate_hz": "The most messages a second that one open page is sent",
    "telemetry_provider": "Where the readings come from; by default the first of pynvml, nvidia_smi and nvtop that answers",
    "enable_system_metrics": "Whether CPU, memory, load and uptime of the host are read too",
    "let_gpus_sleep": "Whether the driver is let go of, so that idle GPUs can power down; auto does as the kernel says",
    "show_commands": "How much of the command line of a GPU process leaves the server",
    "idle_held_memory_mib": "What the processes of a GPU hold together, at least, to count as holding it, in MiB",
    "idle_held_utilization_percent": "The highest utilization at which a held GPU counts as idle, in percent",
    "idle_held_minutes": "For how long a GPU is held idly before the alert rule for it fires, in minutes",
    "alert_retention_days": "How long alerts of the past are kept, in days",
    "log_level": "How much is logged",
}
"""What each setting is, before what it takes; docs/configuration.md tells more."""


class _Written:
    """A form field that leaves all judgement to the Config, and counts as changed when what is written in it differs."""

    disabled: bool

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Whether 500 has become 501; not that a number has become the text of it."""
        if self.disabled:
            return False
        return ("" if initial is None else str(initial)) != ("" if data is None else str(data).strip())


class _NumberField(_Written, forms.CharField):
    def __init__(self, name: str) -> None:
        schema = schema_of(name)
        bounds = {"min": schema["minimum"], "max": schema["maximum"]}
        super().__init__(required=False, empty_value=None, widget=forms.NumberInput(attrs=bounds))


class _ChoiceField(_Written, forms.ChoiceField):
    def __init__(self, name: str) -> None:
        schema = schema_of(name)
        choices = schema.get("enum") or ("True", "False")
        words = {"True": "yes", "False": "no"}
        named = [(choice, words.get(choice, choice)) for choice in choices]
        super().__init__(required=False, choices=[("", f"default ({default_of(name)})"), *named])

    def valid_value(self, value: Any) -> bool:
        """The Config says it, in the words of the environment."""
        return True


def default_of(name: str) -> str:
    """The default as a person would write it."""
    default = Config.model_fields[name].default
    return "auto" if default is None else in_words(default)


def in_words(value: Any) -> str:
    """A value of a setting as a person would write it; None, in the row, leaves it to the default."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "default" if value is None else str(value)


def help_of(name: str, config: Config) -> str:
    """What a setting is, with unit, range and default; of one that is fixed elsewhere, where."""
    text = f"{MEANINGS[name]}."
    source = config.source_of(name)
    if source in FIXED:
        place = "in the environment" if source == "environment" else "in .env"
        return f"{text} Set {place} by {PREFIX}{name.upper()}, so it cannot be changed here."
    kind = schema_of(name)["type"]
    takes = f" {what_it_takes(name).capitalize()}." if kind == "integer" else ""
    empty = "Empty: the default" if kind == "integer" else "Default"
    return f"{text}{takes} {empty}, {default_of(name)}."


class SiteSettingsForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """One field a setting. The values go through the Config, and what it refuses is shown in its words."""

    class Meta:
        model = SiteSettings
        fields = SET_IN_ADMIN

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        config = runtime().config
        for name in SET_IN_ADMIN:
            if name not in self.fields:
                continue  # shown as a text, to somebody who may only look
            made = (_NumberField if schema_of(name)["type"] == "integer" else _ChoiceField)(name)
            made.label = self.fields[name].label
            made.help_text = help_of(name, config)
            if config.source_of(name) in FIXED:
                made.disabled = True
                self.initial[name] = getattr(config, name)
            self.fields[name] = made

    def clean(self) -> dict[str, Any]:
        """The values as the Config takes them. What is fixed elsewhere is left as the row has it."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        fixed = [name for name in SET_IN_ADMIN if name in self.fields and self.fields[name].disabled]
        for name in fixed:
            cleaned.pop(name, None)
        given = {name: cleaned[name] for name in SET_IN_ADMIN if name in cleaned}
        config, refused = layered(runtime().settings.startup, given)
        for name in given:
            if name in refused:
                self.add_error(name, refused[name])
            else:
                cleaned[name] = None if given[name] in (None, "") else getattr(config, name)
        return cleaned


@admin.register(SiteSettings)
class SiteSettingsAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """The one row: there from the start as far as anybody sees, neither added nor deleted."""

    form = SiteSettingsForm
    fieldsets = (
        (
            "Readings",
            {
                "fields": (
                    "poll_interval_ms",
                    "telemetry_provider",
                    "enable_system_metrics",
                    "let_gpus_sleep",
                    "show_commands",
                )
            },
        ),
        ("Live feed", {"fields": ("ws_max_rate_hz",)}),
        ("Idle holding", {"fields": ("idle_held_memory_mib", "idle_held_utilization_percent", "idle_held_minutes")}),
        ("Alerts", {"fields": ("alert_retention_days",)}),
        ("Server", {"fields": ("log_level",)}),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: SiteSettings | None = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """A list of one is its one: on to the form, which asks for the permission."""
        return redirect(reverse("admin:monitor_sitesettings_change", args=(1,)))

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        extra = {"title": "Settings", "subtitle": None, "show_save_and_continue": False, **(extra_context or {})}
        return super().changeform_view(request, object_id, form_url, extra)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> SiteSettings | None:
        """The row, not yet written where nothing has been set. Who may only look is shown what is in force."""
        if object_id != "1":
            return None
        row = super().get_object(request, object_id, from_field) or SiteSettings()
        if not self.has_change_permission(request, row):
            config = runtime().config
            for name in SET_IN_ADMIN:
                setattr(row, name, getattr(config, name))
        return row

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:
        """For the admin's log: each setting with its value before and after."""
        changes = [
            f"{form.fields[name].label}: {in_words(form.initial.get(name))} → {in_words(form.cleaned_data[name])}"
            for name in form.changed_data
        ]
        return [{"changed": {"fields": changes}}] if changes else []

    def save_model(self, request: HttpRequest, obj: SiteSettings, form: Any, change: bool) -> None:
        """Once the row is written for good, this process goes on with it; others see it at their next look."""
        super().save_model(request, obj, form, change)
        transaction.on_commit(runtime().apply_settings)

    def response_change(self, request: HttpRequest, obj: SiteSettings) -> HttpResponse:
        """Back to the form, which is all there is."""
        self.message_user(request, "Saved, and in force from now on.")
        return redirect(reverse("admin:monitor_sitesettings_change", args=(1,)))
