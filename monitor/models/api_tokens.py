"""What programs log in with: tokens of which only the hash is kept."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class ApiToken(models.Model):
    """One token of one person. It may do what its scopes say, as far as its owner may."""

    name = models.CharField(max_length=100, help_text="What it is for, such as the program that uses it.")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens")
    prefix = models.CharField(max_length=16, editable=False)
    """How the secret begins, to tell tokens apart."""
    digest = models.CharField(max_length=64, unique=True, editable=False)
    """SHA-256 of the secret, hexadecimal. The secret is 256 random bits: it needs no salt and no slow hash."""
    scopes = models.JSONField(default=list)
    """Names of monitor/access/tokens.py."""
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    """Null: never."""
    last_used_at = models.DateTimeField(null=True, editable=False)
    """Written at most once a minute."""
    revoked_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = "API token"
        ordering = ("-created_at",)
        permissions = (("manage_all_apitokens", "Can see and revoke the tokens of others"),)
        constraints = (models.UniqueConstraint(fields=("owner", "name"), name="monitor_apitoken_name_of_owner"),)

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"
