"""Several hosts: what is stored says which host it is of."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models


def _host_id() -> models.CharField[str, str]:
    return models.CharField(blank=True, default="", max_length=32)


class Migration(migrations.Migration):
    dependencies = (("monitor", "0023_links_reports_and_hosts"),)
    operations: ClassVar[list[migrations.operations.base.Operation]] = [
        migrations.AddField("historysource", "host_id", _host_id()),
        migrations.AddField("historysource", "host", models.CharField(blank=True, default="", max_length=255)),
        migrations.AlterField("historysource", "key", models.CharField(max_length=200)),
        migrations.AddConstraint(
            "historysource",
            models.UniqueConstraint(fields=("host_id", "key"), name="monitor_historysource_one_each"),
        ),
        migrations.AddField("historygap", "host_id", _host_id()),
    ]
