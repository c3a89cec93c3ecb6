"""Several hosts: what is stored says which host it is of."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import migrations, models


def _host_id() -> models.CharField[str, str]:
    return models.CharField(blank=True, default="", max_length=32)


HOST_DOWN: dict[str, Any] = {
    "name": "Host down",
    "severity": "critical",
    "kind": "host_down",
    "for_seconds": 60,
    "clear_for_seconds": 0,
}


def add_host_down(apps: Any, schema_editor: Any) -> None:
    """Add the rule, which waits for hosts to join. A rule of an administrator with its name stays as it is."""
    rules = apps.get_model("monitor", "AlertRule").objects.using(schema_editor.connection.alias)
    rules.get_or_create(name=HOST_DOWN["name"], defaults=HOST_DOWN)


def copy_journal(apps: Any, schema_editor: Any) -> None:
    """What is open of this host goes on."""
    alias = schema_editor.connection.alias
    for before in apps.get_model("monitor", "UsageOldJournal").objects.using(alias).filter(pk=1):
        apps.get_model("monitor", "UsageJournal").objects.using(alias).create(until=before.until, data=before.data)


def copy_journal_back(apps: Any, schema_editor: Any) -> None:
    """The other hosts' journals have no place."""
    alias = schema_editor.connection.alias
    for each in apps.get_model("monitor", "UsageJournal").objects.using(alias).filter(pk=""):
        apps.get_model("monitor", "UsageOldJournal").objects.using(alias).create(until=each.until, data=each.data)


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
        migrations.RenameField("alertrule", "host_pattern", "hosts"),
        migrations.AlterField("alertrule", "hosts", models.CharField(blank=True, max_length=1000)),
        migrations.AddField(
            "alertevent",
            "host_id",
            models.CharField(
                blank=True, db_index=True, default="", editable=False, max_length=32, verbose_name="host ID"
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            "alertstate",
            "host_id",
            models.CharField(blank=True, default="", max_length=32),
            preserve_default=False,
        ),
        migrations.RemoveConstraint("alertstate", "monitor_alertstate_one_each"),
        migrations.AddConstraint(
            "alertstate",
            models.UniqueConstraint(fields=("rule", "host_id", "subject"), name="monitor_alertstate_one_each"),
        ),
        migrations.AddField(
            "seengpu",
            "host_id",
            models.CharField(blank=True, default="", editable=False, max_length=32, verbose_name="host ID"),
            preserve_default=False,
        ),
        migrations.AlterField("seengpu", "uuid", models.CharField(max_length=96, verbose_name="UUID")),
        migrations.AddConstraint(
            "seengpu", models.UniqueConstraint(fields=("uuid", "host_id"), name="monitor_seengpu_one_each")
        ),
        migrations.AddField(
            "snooze",
            "host_id",
            models.CharField(blank=True, default="", max_length=32),
            preserve_default=False,
        ),
        migrations.RemoveConstraint("snooze", "monitor_snooze_one_each"),
        migrations.AddConstraint(
            "snooze",
            models.UniqueConstraint(fields=("rule", "gpu_uuid", "host_id"), name="monitor_snooze_one_each"),
        ),
        migrations.RunPython(add_host_down, migrations.RunPython.noop),
        migrations.AddField("usagegpu", "host_id", _host_id()),
        migrations.AlterField("usagegpu", "uuid", models.CharField(max_length=96)),
        migrations.AddConstraint(
            "usagegpu", models.UniqueConstraint(fields=("host_id", "uuid"), name="monitor_usagegpu_one_each")
        ),
        migrations.RenameModel("UsageJournal", "UsageOldJournal"),
        migrations.CreateModel(
            name="UsageJournal",
            fields=[
                ("host_id", models.CharField(blank=True, default="", max_length=32, primary_key=True, serialize=False)),
                ("until", models.FloatField()),
                ("data", models.BinaryField()),
            ],
            options={"default_permissions": ()},
        ),
        migrations.RunPython(copy_journal, copy_journal_back, hints={"model_name": "usagejournal"}),
        migrations.DeleteModel("UsageOldJournal"),
    ]
