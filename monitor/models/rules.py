"""Alert rules as an administrator sets them, what the engine remembers of each, and the GPUs seen so far."""

from __future__ import annotations

from django.db import models

from monitor.rules.choices import COMPARE, KINDS, SEVERITIES

SEVERITY_CHOICES = [(severity, severity.capitalize()) for severity in SEVERITIES]


class SeenGpu(models.Model):
    """A GPU that this host or another has shown, so that rules can name it while it is away."""

    uuid = models.CharField("UUID", max_length=96, unique=True)
    name = models.CharField(max_length=200, blank=True)
    host = models.CharField(max_length=255, blank=True)
    index = models.PositiveIntegerField(null=True, blank=True)
    last_seen_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "GPU"
        verbose_name_plural = "GPUs seen"
        ordering = ("host", "index", "uuid")

    def __str__(self) -> str:
        place = f"{self.host} · GPU {self.index}" if self.index is not None else "not seen yet"
        return f"{place} · {self.name} · {self.uuid}" if self.name else f"{place} · {self.uuid}"


class AlertRule(models.Model):
    """One rule. Which fields a kind needs stands in monitor/rules/choices.py; monitor/rules/making.py checks them."""

    name = models.CharField(max_length=100, unique=True)
    is_enabled = models.BooleanField("enabled", default=True)
    severity = models.CharField(max_length=10, choices=SEVERITY_CHOICES, default="warning")
    kind = models.CharField(
        max_length=20, choices=[(name, kind.label) for name, kind in KINDS.items()], default="threshold"
    )

    metric = models.CharField(max_length=80, blank=True)
    comparator = models.CharField(max_length=2, blank=True, choices=[(each, each) for each in COMPARE])
    threshold = models.FloatField(null=True, blank=True)
    clear_threshold = models.FloatField(null=True, blank=True)
    relative_to = models.CharField(max_length=80, blank=True)
    throttle = models.CharField(
        max_length=10, blank=True, choices=[("thermal", "Thermal"), ("power", "Power"), ("any", "Thermal or power")]
    )
    ignored_xids = models.CharField("ignored Xids", max_length=200, blank=True)
    held_memory_mib = models.PositiveIntegerField("held memory", null=True, blank=True)
    for_seconds = models.FloatField("for", null=True, blank=True)
    clear_for_seconds = models.FloatField("clear for", default=0)

    gpus = models.ManyToManyField(SeenGpu, verbose_name="GPUs", blank=True, related_name="rules")
    gpu_indexes = models.CharField("GPU indexes", max_length=200, blank=True)
    gpu_name_pattern = models.CharField("GPU name", max_length=200, blank=True)
    host_pattern = models.CharField("host", max_length=200, blank=True)
    mig = models.CharField(
        "MIG",
        max_length=10,
        default="any",
        choices=[("any", "With MIG or without"), ("only", "In MIG mode only"), ("without", "Not in MIG mode")],
    )

    muted_until = models.DateTimeField(null=True, blank=True)
    quiet_hours = models.TextField(blank=True)
    remind_every_minutes = models.PositiveIntegerField("remind every", default=0)
    channels = models.ManyToManyField("monitor.Channel", blank=True, related_name="rules")

    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("name",)
        permissions = (("mute_alertrule", "Can mute alert rules"),)

    def __str__(self) -> str:
        return self.name


class AlertState(models.Model):
    """What the engine remembers of a rule and one subject (a GPU, a process, the host), so that a restart loses nothing."""

    rule = models.ForeignKey(AlertRule, on_delete=models.CASCADE, related_name="states")
    subject = models.CharField(max_length=200)
    state = models.JSONField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("rule", "subject"), name="monitor_alertstate_one_each"),)

    def __str__(self) -> str:
        return f"{self.rule_id}: {self.subject or 'host'}"
