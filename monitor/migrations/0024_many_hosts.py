"""Several hosts: what is stored says which host it is of."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = (("monitor", "0023_links_reports_and_hosts"),)
    operations: ClassVar[list[migrations.operations.base.Operation]] = []
