"""`manage.py demo`: serve with an account that is ready to use. `gpumon demo` runs it on simulated GPUs, with data of its own."""

from __future__ import annotations

import os
import secrets

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection

from monitor.management.commands import serve
from monitor.private_file import open_private

USER_NAME = "demo"
PASSWORD_FILE = "demo_password"  # noqa: S105 - the name of a file  # nosec  # pragma: allowlist secret


class Command(serve.Command):
    """Each demo has a password of its own, because it can be reached from other hosts too."""

    help = "Serve like `serve`, with an admin account whose password is printed. For `make demo` and `gpumon demo`."

    def prepared(self) -> None:
        """Create the account, or give it the printed password again."""
        password = _kept_password()
        users = get_user_model()._default_manager
        user, _ = users.get_or_create(username=USER_NAME, defaults={"is_staff": True, "is_superuser": True})
        if not user.check_password(password):  # otherwise its sessions would end
            user.set_password(password)
            user.save()
        connection.close()
        self.stdout.write(f"gpumon: admin account of this demo: {USER_NAME}, password {password}")
        self.stdout.flush()


def _kept_password() -> str:
    with os.fdopen(open_private(settings.GPU_MONITOR.data_dir / PASSWORD_FILE), "r+", encoding="ascii") as file:
        password = file.read().strip()
        if not password:
            password = secrets.token_urlsafe(9)
            file.write(password + "\n")
        return password
