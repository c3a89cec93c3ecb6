"""Events are called alerts in the admin, as on the pages."""

from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("monitor", "0015_channel_types")]

    operations = [
        migrations.AlterModelOptions(
            name="alertevent",
            options={
                "ordering": ("-fired_at",),
                "permissions": (("acknowledge_alertevent", "Can acknowledge alerts"),),
                "verbose_name": "alert",
                "verbose_name_plural": "alerts",
            },
        ),
    ]
