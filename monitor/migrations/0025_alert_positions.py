"""How far the snapshots of each host were judged."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (("monitor", "0024_many_hosts"),)
    operations: ClassVar[list[migrations.operations.base.Operation]] = [
        migrations.CreateModel(
            name="AlertPosition",
            fields=[
                ("host_id", models.CharField(max_length=32, primary_key=True, serialize=False)),
                ("position", models.BigIntegerField()),
            ],
            options={"default_permissions": ()},
        ),
    ]
