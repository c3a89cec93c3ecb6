"""The weekly reports to users of the GPUs, and processes that only the driver's accounting mode has seen."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("monitor", "0023_view_links"),
    ]

    operations = [
        migrations.AddField(
            model_name="delivery",
            name="user",
            field=models.CharField(blank=True, default="", max_length=150),
        ),
        migrations.AddField(
            model_name="delivery",
            name="recipient",
            field=models.CharField(blank=True, default="", max_length=254),
        ),
        migrations.AddField(
            model_name="usageprocess",
            name="is_from_accounting",
            field=models.BooleanField(default=False),
        ),
    ]
