"""Alert rules in the admin: the list with each rule's condition, and a form with a preview."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelectMultiple
from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html

from monitor.admin.bounded import BoundedAdmin, delete_selected
from monitor.admin.filters import YesNoFilter
from monitor.admin.key_safe import valid_keys
from monitor.admin.preview_span import CHOICES
from monitor.admin.rule_actions import ACTIONS
from monitor.admin.rule_form import AlertRuleForm, what_kinds_need
from monitor.admin.rule_preview import preview
from monitor.models import AlertRule, SeenGpu
from monitor.rules.description import condition_of
from monitor.rules.kinds.registry import fields_of_kinds
from monitor.rules.validation import BadRule
from monitor.runtime.process import runtime


class _IsMuted(YesNoFilter):
    title = "muted"
    parameter_name = "muted"

    def holds(self) -> Q:
        return Q(muted_until__gt=timezone.now())


class _IsFiring(YesNoFilter):
    title = "firing"
    parameter_name = "firing"

    def holds(self) -> Q:
        return Q(firing_count__gt=0)


class _Gpus(AutocompleteSelectMultiple):
    """Django's widget raises an error for a value that is no key."""

    def optgroups(self, name: str, value: Sequence[str], attr: Any = None) -> Any:
        return super().optgroups(name, valid_keys(SeenGpu, value), attr)


@admin.register(AlertRule)
class AlertRuleAdmin(BoundedAdmin):
    """Users who can mute but not change rules see them as text and mute them in the list."""

    form = AlertRuleForm
    change_form_template = "admin/monitor/alertrule/change_form.html"
    list_display = ("name", "severity", "condition", "is_enabled", "muted", "firing")
    list_filter = ("severity", "is_enabled", _IsFiring, _IsMuted, "kind")
    search_fields = ("name", "metric", "gpu_name_pattern", "hosts")
    ordering = ("name",)
    actions = (delete_selected, *ACTIONS)
    autocomplete_fields = ("gpus",)

    class Media:
        css: ClassVar = {"all": ("css/charts.css", "css/admin_rule.css")}
        js = (
            "vendor/uplot/uPlot.iife.min.js",
            forms.Script("js/charts/trial_chart.js", type="module"),
            forms.Script("js/admin_rule.js", type="module"),
            forms.Script("js/requests.js", type="module"),
        )

    def get_fieldsets(self, request: HttpRequest, obj: AlertRule | None = None) -> Any:
        return (
            (None, {"fields": ("name", "is_enabled", "severity")}),
            (
                "When it fires",
                {
                    "fields": ("kind", *fields_of_kinds(), "for_seconds", "clear_for_seconds"),
                    "description": what_kinds_need(),
                },
            ),
            (
                "Which GPUs",
                {
                    "fields": ("gpus", "gpu_indexes", "gpu_name_pattern", "hosts", "mig"),
                    "description": "GPUs matching all of the fields below.",
                },
            ),
            ("Notifications", {"fields": ("channels", "remind_every_minutes", "muted_until", "quiet_hours")}),
        )

    def formfield_for_manytomany(self, db_field: Any, request: Any = None, **kwargs: Any) -> Any:
        """A checkbox per channel: there are few. The form is shown again with what was sent, which can be no GPU's key."""
        if db_field.name == "channels":
            kwargs["widget"] = forms.CheckboxSelectMultiple
        if db_field.name == "gpus":
            kwargs["widget"] = _Gpus(db_field, self.admin_site)
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        firing = Count("events", filter=Q(events__state="firing"))
        found: QuerySet[Any] = (
            super().get_queryset(request).prefetch_related("gpus", "snoozes").annotate(firing_count=firing)
        )
        return found

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        return super().render_change_form(request, {**context, "preview_choices": CHOICES}, *args, **kwargs)

    def get_urls(self) -> list[Any]:
        trying = path("preview/", self.admin_site.admin_view(self.preview_view), name="monitor_alertrule_preview")
        return [trying, *super().get_urls()]

    def preview_view(self, request: HttpRequest) -> HttpResponse:
        """Test the unsaved rule of a form."""
        return preview(self, request)

    def has_mute_permission(self, request: HttpRequest) -> bool:
        """For the actions: the permission to mute, or to change."""
        return self.has_change_permission(request) or request.user.has_perm("monitor.mute_alertrule")

    @admin.display(description="condition")
    def condition(self, rule: AlertRule) -> str:
        """The condition in words; for an invalid rule, written past the admin, the reason."""
        try:
            return condition_of(runtime().make_rule(rule.given()))
        except BadRule as error:
            return f"not evaluated: {error}"

    @admin.display(description="muted", ordering="muted_until")
    def muted(self, rule: AlertRule) -> str:
        """Until when, in the viewer's zone."""
        now = timezone.now()
        if rule.muted_until is not None and rule.muted_until > now:
            return f"until {timezone.localtime(rule.muted_until):%Y-%m-%d %H:%M}"
        snoozes = [snooze for snooze in rule.snoozes.all() if snooze.until is None or snooze.until > now]
        if any(not snooze.gpu_uuid for snooze in snoozes):
            return "until resolved"
        return f"for {len(snoozes)} GPU{'' if len(snoozes) == 1 else 's'}" if snoozes else "no"

    @admin.display(description="firing", ordering="firing_count")
    def firing(self, rule: Any) -> str:
        """The number of open alerts, linked to them."""
        if not rule.firing_count:
            return "0"
        events = reverse("admin:monitor_alertevent_changelist")
        return format_html(
            '<a href="{}?rule__id__exact={}&amp;state__exact=firing">{}</a>', events, rule.pk, rule.firing_count
        )

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Let the engine of this process load the rule once it is committed."""
        super().save_related(request, form, formsets, change)
        transaction.on_commit(runtime().alerts.changed)

    def delete_model(self, request: HttpRequest, obj: AlertRule) -> None:
        super().delete_model(request, obj)
        transaction.on_commit(runtime().alerts.changed)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        super().delete_queryset(request, queryset)
        transaction.on_commit(runtime().alerts.changed)
