"""Users in the admin. When a person joined and last logged in is recorded, not entered."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User

admin.site.unregister(User)


@admin.register(User)
class MonitorUserAdmin(UserAdmin):  # type: ignore[type-arg]  # not generic at run time
    """Django's own, whose fields for these two times have no labels."""

    readonly_fields = ("last_login", "date_joined")
