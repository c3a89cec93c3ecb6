"""Processes that only the driver's accounting mode has seen."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("monitor", "0023_user_reports"),
    ]

    operations = [
        migrations.AddField(
            model_name="usageprocess",
            name="is_from_accounting",
            field=models.BooleanField(default=False),
        ),
    ]
