"""Pages of the admin that stay small with any amount of data: what is to be deleted is counted, not listed."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import CASCADE, ForeignObjectRel, ManyToOneRel, Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from monitor.admin.key_safe import KeySafe

MOST_LOGGED = 100
"""Deletions at once that the admin's log records one by one; more are one record."""
_CHUNK = 1000
"""Rows deleted at a time: Django loads what it deletes."""


@admin.action(permissions=["delete"], description="Delete selected %(verbose_name_plural)s")
def delete_selected(model_admin: Any, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
    """Ask first, with the numbers of what is deleted; on the confirmation, delete."""
    _, counts, lacking, kept = model_admin.get_deleted_objects(queryset, request)
    if request.POST.get("post") and not kept:
        if lacking:
            raise PermissionDenied
        count = queryset.count()
        with transaction.atomic():
            if count <= MOST_LOGGED:
                model_admin.log_deletions(request, queryset)
            elif (first := queryset.first()) is not None:
                model_admin.log_change(request, first, f"Deleted with {count - 1} others.")
            model_admin.delete_queryset(request, queryset)
        model_admin.message_user(request, f"Deleted: {_numbered(count, queryset.model)}.", messages.SUCCESS)
        return None
    is_across = request.POST.get("select_across") == "1"
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "Cannot delete" if lacking or kept else "Delete",
        "opts": model_admin.opts,
        "media": model_admin.media,
        "counts": counts,
        "perms_lacking": lacking,
        "protected": kept,
        "keys": queryset.values_list("pk", flat=True)[: 1 if is_across else None],
        "is_across": is_across,
        "action_checkbox_name": ACTION_CHECKBOX_NAME,
    }
    return TemplateResponse(request, "admin/monitor/delete_selected_confirmation.html", context)


class BoundedAdmin(KeySafe, admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """The base of admins whose rows are many, or have many related rows."""

    delete_confirmation_template = "admin/monitor/delete_confirmation.html"
    actions: Any = (delete_selected,)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Django's four answers, with numbers in place of rows: what is deleted, its numbers, missing permissions, and what
        prevents it.
        """
        queryset = (
            objs if isinstance(objs, QuerySet) else self.model._default_manager.filter(pk__in=[o.pk for o in objs])
        )
        counts: dict[str, int] = {}
        lacking: set[str] = set()
        for found in [queryset, *_deleted_along(queryset)]:
            count = found.count()
            if not count:
                continue
            meta = found.model._meta
            counts[str(meta.verbose_name if count == 1 else meta.verbose_name_plural)] = count
            if self.admin_site.is_registered(found.model):
                other = self.admin_site.get_model_admin(found.model)
                if not other.has_delete_permission(request):
                    lacking.add(str(meta.verbose_name))
        return [], counts, lacking, []

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Delete in chunks, what belongs to the rows first."""
        for found in [*reversed(_deleted_along(queryset)), queryset]:
            _delete(found)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        for found in reversed(_deleted_along(self.model._default_manager.filter(pk=obj.pk))):
            _delete(found)
        super().delete_model(request, obj)


def _deleted_along(queryset: QuerySet[Any]) -> list[QuerySet[Any]]:
    """The rows of other tables that are deleted with these, without the links of relations between many and many."""
    return [
        cast("type[Model]", relation.related_model)._default_manager.filter(**{f"{relation.field.name}__in": queryset})
        for relation in queryset.model._meta.related_objects
        if _is_deleted_along(relation) and relation.related_model is not queryset.model
    ]


def _is_deleted_along(relation: ForeignObjectRel) -> bool:
    return isinstance(relation, ManyToOneRel) and relation.on_delete is CASCADE


def _delete(queryset: QuerySet[Any]) -> None:
    while keys := list(queryset.order_by().values_list("pk", flat=True)[:_CHUNK]):
        queryset.model._default_manager.filter(pk__in=keys).delete()


def _numbered(count: int, model: type[Model]) -> str:
    return f"{count} {model._meta.verbose_name if count == 1 else model._meta.verbose_name_plural}"
