"""What each channel's URL was recognized as and which addresses it reaches, and how long receivers asked to wait."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("monitor", "0014_rule_names")]

    operations = [
        migrations.AddField(
            "channel",
            "service",
            models.CharField(blank=True, editable=False, max_length=100, verbose_name="type"),
        ),
        # Channels of earlier versions keep reaching what they reached.
        migrations.AddField(
            "channel",
            "may_reach_private",
            models.BooleanField(default=True, editable=False, verbose_name="private addresses"),
        ),
        migrations.AddField("delivery", "retry_after_seconds", models.PositiveIntegerField(default=0)),
    ]
