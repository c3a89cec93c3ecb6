"""Deliveries held for quiet hours, deliveries combined in one, and since when one has been tried."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("monitor", "0003_default_rules")]

    operations = [
        migrations.AddField(
            model_name="delivery",
            name="part_of",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="parts",
                to="monitor.delivery",
            ),
        ),
        migrations.AddField(
            model_name="delivery",
            name="first_attempt_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AlterField(
            model_name="delivery",
            name="kind",
            field=models.CharField(
                choices=[
                    ("fired", "Fired"),
                    ("resolved", "Resolved"),
                    ("reminder", "Reminder"),
                    ("digest", "Digest"),
                    ("test", "Test"),
                ],
                max_length=10,
            ),
        ),
        migrations.AlterField(
            model_name="delivery",
            name="status",
            field=models.CharField(
                choices=[
                    ("held", "Held while silent"),
                    ("waiting", "Waiting"),
                    ("sending", "Sending"),
                    ("sent", "Sent"),
                    ("combined", "Combined"),
                    ("failed", "Abandoned"),
                ],
                default="waiting",
                max_length=10,
            ),
        ),
    ]
