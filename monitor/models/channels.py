"""Notification channels, and the outbox: messages to send and their results."""

from __future__ import annotations

import uuid

from django.db import models

from monitor.models.events import AlertEvent
from monitor.models.rules import SEVERITY_CHOICES, AlertRule


class Channel(models.Model):
    """A place that alerts are sent to. Its URL contains secrets and is shown only in its form."""

    name = models.CharField(max_length=100, unique=True)
    url = models.TextField("URL")
    service = models.CharField("type", max_length=100, blank=True, editable=False)
    """What the URL was recognized as when it was saved: a service of Apprise, or a signed webhook. Empty if unknown."""
    signing_secret = models.CharField(max_length=200, blank=True)
    may_reach_private = models.BooleanField("private addresses", default=True, editable=False)
    """Whether it may connect to addresses that are not public: not if its URL was entered by somebody who is no superuser."""
    is_enabled = models.BooleanField("enabled", default=True)
    is_for_all_rules = models.BooleanField("default channel", default=True)
    is_for_weekly_report = models.BooleanField("weekly report", default=False)
    reported_until = models.DateTimeField(null=True, editable=False)
    """End of the week of its last report."""
    minimum_severity = models.CharField(max_length=10, choices=SEVERITY_CHOICES, default="info")
    messages_per_hour = models.PositiveIntegerField("messages per hour", default=60)
    last_sent_at = models.DateTimeField(null=True, editable=False)
    last_error = models.TextField(blank=True, editable=False)
    last_error_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class Delivery(models.Model):
    """One message to one channel: about one or more events of a rule, or a weekly report."""

    message_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    """The same in every attempt, so that receivers can recognize a repeated message."""
    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="deliveries")
    kind = models.CharField(
        max_length=10,
        choices=[
            ("fired", "Fired"),
            ("resolved", "Resolved"),
            ("reminder", "Reminder"),
            ("digest", "Digest"),
            ("report", "Weekly report"),
            ("test", "Test"),
        ],
    )
    user = models.CharField(max_length=150, blank=True, default="")
    """Whose own weekly report it is; empty for every other message."""
    recipient = models.CharField(max_length=254, blank=True, default="")
    """The mail address that it goes to in place of the channel's own."""
    rule = models.ForeignKey(AlertRule, on_delete=models.SET_NULL, null=True, related_name="+")
    events = models.ManyToManyField(AlertEvent, related_name="deliveries", blank=True)
    status = models.CharField(
        max_length=10,
        choices=[
            ("held", "Held while silent"),
            ("waiting", "Waiting"),
            ("sending", "Sending"),
            ("sent", "Sent"),
            ("combined", "Combined"),
            ("failed", "Abandoned"),
        ],
        default="waiting",
    )
    part_of = models.ForeignKey("self", on_delete=models.CASCADE, null=True, related_name="parts")
    """The digest that contains it, if it was delayed or over the channel's limit."""
    attempts = models.PositiveIntegerField(default=0)
    retry_after_seconds = models.PositiveIntegerField(default=0)
    """How long the receiver asked to wait after the last attempt."""
    first_attempt_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    due_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    last_error = models.TextField(blank=True)

    class Meta:
        verbose_name_plural = "deliveries"
        ordering = ("-id",)
        indexes = (models.Index(fields=("status", "due_at"), name="monitor_delivery_due"),)

    def __str__(self) -> str:
        return f"{self.get_kind_display()} to {self.channel}"
