"""Alert rules as an administrator sets them, what the engine remembers of each, and the GPUs seen so far."""

from __future__ import annotations

from collections.abc import Collection
from datetime import MAXYEAR, MINYEAR, datetime
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from monitor import formats
from monitor.rules import quiet_hours
from monitor.rules.choices import COMPARE, SEVERITIES
from monitor.rules.kinds.registry import KINDS
from monitor.rules.validation import problems_of

if TYPE_CHECKING:
    from django.db.models.fields.related_descriptors import RelatedManager

    from monitor.models.snoozes import Snooze

SEVERITY_CHOICES = [(severity, severity.capitalize()) for severity in SEVERITIES]
_LARGEST_WHOLE = 2_147_483_647
"""The largest value that a column of whole numbers has in every database."""
_WHOLE = [
    MinValueValidator(0, message=f"%(show_value)s is out of range: 0 to {_LARGEST_WHOLE}."),
    MaxValueValidator(_LARGEST_WHOLE, message=f"%(show_value)s is out of range: 0 to {_LARGEST_WHOLE}."),
]
CONDITION_FIELDS = (
    "severity",
    "kind",
    "metric",
    "comparator",
    "threshold",
    "clear_threshold",
    "relative_to",
    "throttle",
    "ignored_xids",
    "held_memory_mib",
    "for_seconds",
    "clear_for_seconds",
    "gpu_indexes",
    "gpu_name_pattern",
    "hosts",
    "mig",
)
"""Columns of an AlertRule that decide what fires. Its relation `gpus` does too."""


def kind_choices() -> list[tuple[str, str]]:
    """Every kind with its label. A function, so that a new kind needs no migration."""
    return [(name, kind.label) for name, kind in KINDS.items()]


def validate_name(name: str) -> None:
    """An import finds rules by their names."""
    if name != name.strip():
        raise ValidationError(f"{name!r} begins or ends with a space.")


def validate_moment(moment: datetime) -> None:
    """The first and the last year are incomplete in some time zones, and the admin shows the server's zone."""
    if not MINYEAR < moment.year < MAXYEAR:
        raise ValidationError(f"Year {moment.year} is out of range: 2 to 9998. Disable the rule to mute it for good.")


def validate_quiet_hours(text: str) -> None:
    """Weekly time spans as `rules.quiet_hours` reads them."""
    try:
        quiet_hours.parse(text)
    except ValueError as error:
        raise ValidationError(str(error)) from error


class SeenGpu(models.Model):
    """A GPU that some host has shown, so that rules can name it while it is absent."""

    uuid = models.CharField("UUID", max_length=96)
    name = models.CharField(max_length=200, blank=True)
    host = models.CharField(max_length=255, blank=True)
    host_id = models.CharField("host ID", max_length=32, blank=True, editable=False)
    """Of a host whose agent has joined; empty: the host that the server runs on."""
    index = models.PositiveIntegerField(null=True, blank=True)
    last_seen_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "GPU"
        verbose_name_plural = "GPUs seen"
        ordering = ("host", "index", "uuid")
        constraints = (models.UniqueConstraint(fields=("uuid", "host_id"), name="monitor_seengpu_one_each"),)

    def __str__(self) -> str:
        place = f"{self.host} · GPU {self.index}" if self.index is not None else "not seen yet"
        return f"{place} · {self.name} · {self.uuid}" if self.name else f"{place} · {self.uuid}"


class AlertRule(models.Model):
    """One rule. Its kind (monitor/rules/kinds/) says which fields it needs. The admin and the YAML import validate a rule
    by `clean_fields`.
    """

    name = models.CharField(max_length=100, unique=True, validators=[validate_name])
    is_enabled = models.BooleanField("enabled", default=True)
    severity = models.CharField(max_length=10, choices=SEVERITY_CHOICES, default="warning")
    kind = models.CharField(max_length=20, choices=kind_choices, default="threshold")

    metric = models.CharField(max_length=80, blank=True)
    comparator = models.CharField(max_length=2, blank=True, choices=[(each, each) for each in COMPARE])
    threshold = models.FloatField(null=True, blank=True)
    clear_threshold = models.FloatField(null=True, blank=True)
    relative_to = models.CharField(max_length=80, blank=True)
    throttle = models.CharField(
        max_length=10, blank=True, choices=[("thermal", "Thermal"), ("power", "Power"), ("any", "Thermal or power")]
    )
    ignored_xids = models.CharField("ignored Xids", max_length=200, blank=True)
    held_memory_mib = models.PositiveIntegerField("held memory", null=True, blank=True, validators=_WHOLE)
    for_seconds = models.FloatField("for", null=True, blank=True)
    clear_for_seconds = models.FloatField("clear for", default=0)

    if TYPE_CHECKING:  # Django adds it

        @property
        def snoozes(self) -> RelatedManager[Snooze]: ...

    gpus = models.ManyToManyField(SeenGpu, verbose_name="GPUs", blank=True, related_name="rules")
    gpu_indexes = models.CharField("GPU indexes", max_length=200, blank=True)
    gpu_name_pattern = models.CharField("GPU name", max_length=200, blank=True)
    hosts = models.CharField(max_length=1000, blank=True)
    mig = models.CharField(
        "MIG",
        max_length=10,
        default="any",
        choices=[("any", "With MIG or without"), ("only", "In MIG mode only"), ("without", "Not in MIG mode")],
    )

    muted_until = models.DateTimeField(null=True, blank=True, validators=[validate_moment])
    quiet_hours = models.TextField(blank=True, validators=[validate_quiet_hours])
    remind_every_minutes = models.PositiveIntegerField("remind every", default=0, validators=_WHOLE)
    channels = models.ManyToManyField("monitor.Channel", blank=True, related_name="rules")

    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("name",)
        permissions = (("mute_alertrule", "Can mute alert rules"),)

    def __str__(self) -> str:
        return self.name

    def given(self) -> dict[str, Any]:
        """The fields that `rules.validation` takes: `id` (None before it is saved), `gpus` as sorted UUIDs.

        `gpus` costs a query unless it was prefetched: `AlertRule.objects.prefetch_related("gpus")`.
        """
        given: dict[str, Any] = {name: getattr(self, name) for name in ("name", *CONDITION_FIELDS)}
        given["id"] = self.pk
        given["gpus"] = [] if self.pk is None else sorted({gpu.uuid for gpu in self.gpus.all()})
        return given

    def clean_fields(self, exclude: Collection[str] | None = None) -> None:
        """Validate each field, then the rule as a whole, which needs every field of its condition.

        The errors of the latter list the valid choices, so fields with choices are left to it.
        """
        excluded = set(exclude or ())
        with_choices = {field.name for field in self._meta.fields if field.choices}
        errors: dict[str, Any] = {}
        try:
            super().clean_fields(exclude=excluded | with_choices)
        except ValidationError as error:
            errors = error.update_error_dict(errors)
        if not (excluded | errors.keys()).intersection(CONDITION_FIELDS):
            problems = problems_of({name: getattr(self, name) for name in CONDITION_FIELDS})
            errors |= {name: [formats.sentence(problem)] for name, problem in problems.items()}
        if errors:
            raise ValidationError(errors)


class AlertState(models.Model):
    """What the engine remembers of a rule and one subject (a GPU, a process, the host), so that a restart loses nothing."""

    rule = models.ForeignKey(AlertRule, on_delete=models.CASCADE, related_name="states")
    host_id = models.CharField(max_length=32, blank=True)
    """Of a host whose agent has joined; empty: the host that the server runs on."""
    subject = models.CharField(max_length=200)
    state = models.JSONField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("rule", "host_id", "subject"), name="monitor_alertstate_one_each"),
        )

    def __str__(self) -> str:
        return f"{self.rule_id}: {self.subject or 'host'}"


class AlertPosition(models.Model):
    """The last snapshot of a host in its stream (fleet/bus/streams.py) that its alerts and states include. Written with them."""

    host_id = models.CharField(max_length=32, primary_key=True)
    position = models.BigIntegerField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.host_id}: {self.position}"
