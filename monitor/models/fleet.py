"""The hosts of a fleet, and the one-time codes with which they join."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class FleetHost(models.Model):
    """A host whose agent has joined. Its readings are not in here."""

    class State(models.TextChoices):
        ACTIVE = "active", "active"
        MAY_BE_OFF = "may_be_off", "may be off"
        PENDING = "pending", "waits: same machine as another host"
        RETIRED = "retired", "retired"
        REVOKED = "revoked", "revoked"

    host_id = models.CharField("host ID", max_length=32, unique=True, editable=False)
    """Random, made on the host. Its key is valid for this id alone."""
    name = models.CharField(max_length=100, unique=True)
    tags = models.JSONField(default=list, blank=True)
    state = models.CharField(max_length=12, choices=State.choices, default=State.ACTIVE)
    machine = models.CharField(max_length=32, blank=True, editable=False)
    """Fingerprint of the operating system's machine id; empty if it has none."""
    replaces = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, editable=False, related_name="replaced_by"
    )
    """While it is pending: the host with the same machine id."""
    key_prefix = models.CharField(max_length=16, blank=True, editable=False)
    key_digest = models.CharField(max_length=64, blank=True, editable=False, db_index=True)
    """SHA-256 of the key, hexadecimal; empty while it has none. As of an API token."""
    joined_at = models.DateTimeField(auto_now_add=True)
    last_seen_at = models.DateTimeField(null=True, editable=False)
    """Written at most once a minute."""
    agent_version = models.CharField(max_length=255, blank=True, editable=False)
    driver_version = models.CharField(max_length=255, blank=True, editable=False)
    clock_offset_seconds = models.FloatField(null=True, editable=False)
    """How far its clock is ahead of the hub's."""
    problem = models.TextField(blank=True, editable=False)
    """What is wrong with its connection, as a sentence."""

    class Meta:
        verbose_name = "host"
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class JoinCode(models.Model):
    """A code that one agent can exchange for a key."""

    name = models.CharField(max_length=100, blank=True, help_text="What the host is called here; empty: its own name.")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    """SHA-256 of the code."""
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, editable=False, related_name="join_codes"
    )
    """Null: made on the command line."""
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(editable=False)
    used_by = models.CharField(max_length=32, blank=True, editable=False)
    """The host id of the agent that used it; empty before."""

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return self.name or "any host"
