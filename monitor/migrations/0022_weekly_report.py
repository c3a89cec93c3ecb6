"""The weekly report of usage, for channels that want it."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("monitor", "0021_usage"),
    ]

    operations = [
        migrations.AddField(
            model_name="channel",
            name="is_for_weekly_report",
            field=models.BooleanField(default=False, verbose_name="weekly report"),
        ),
        migrations.AddField(
            model_name="channel",
            name="reported_until",
            field=models.DateTimeField(editable=False, null=True),
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
                    ("report", "Weekly report"),
                    ("test", "Test"),
                ],
                max_length=10,
            ),
        ),
    ]
