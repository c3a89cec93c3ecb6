"""Users and groups in the admin. When a person joined and last logged in is recorded, not entered."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User

from monitor.admin.bounded import BoundedAdmin
from monitor.admin.key_safe import KeySafe

admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class MonitorUserAdmin(BoundedAdmin, UserAdmin):  # type: ignore[type-arg]  # not generic at run time
    """Django's own, whose fields for these two times have no labels."""

    readonly_fields = ("last_login", "date_joined")


@admin.register(Group)
class MonitorGroupAdmin(KeySafe, GroupAdmin):
    """Django's own."""
