"""Read-only links: what a person without an account opens a page with."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class ViewLink(models.Model):
    """One link. Everybody who has its address sees the readings, without users, programs and command lines."""

    name = models.CharField(max_length=100, help_text="What it is for, such as the wall screen that opens it.")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, editable=False, related_name="view_links"
    )
    """Null: created on the command line. The link ends with the account."""
    key = models.CharField(max_length=22, unique=True, editable=False)
    """128 random bits. The address also has a signature, so it cannot be made from the database alone."""
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(editable=False)
    last_used_at = models.DateTimeField(null=True, editable=False)
    """Written at most once a minute, also while a page is open."""
    revoked_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = "read-only link"
        ordering = ("-created_at",)
        constraints = (
            models.UniqueConstraint(
                fields=("name",), condition=models.Q(revoked_at__isnull=True), name="monitor_viewlink_name"
            ),
        )

    def __str__(self) -> str:
        return self.name
