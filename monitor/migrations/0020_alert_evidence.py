"""The evidence of alerts: readings before and after they fired, processes, Xid errors."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("monitor", "0019_history")]

    operations = [
        migrations.CreateModel(
            name="AlertEvidence",
            fields=[
                (
                    "event",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="evidence",
                        serialize=False,
                        to="monitor.alertevent",
                    ),
                ),
                ("data", models.BinaryField()),
            ],
            options={
                "verbose_name": "piece of evidence",
                "verbose_name_plural": "pieces of evidence",
                "default_permissions": (),
            },
        ),
    ]
