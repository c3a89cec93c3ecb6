"""Requests to the admin with keys and numbers that no row can have: Django's pages raise errors for some of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.views.main import ERROR_FLAG
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponseRedirect

if TYPE_CHECKING:
    _Admin = admin.ModelAdmin[Any]
else:
    _Admin = object


def valid_keys(model: type[Model], texts: Iterable[str]) -> list[str]:
    """The texts that can be a primary key of the model. A query with any other raises an error."""
    found = []
    for text in texts:
        try:
            model._meta.pk.clean(text, None)
        except ValidationError:
            continue
        found.append(text)
    return found


class ExistingChoices(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]  # not generic at run time
    """Django's field raises an error for a number that no database can store."""

    def clean(self, value: Any) -> Any:
        texts = [str(each) for each in value or ()]
        assert self.queryset is not None
        if wrong := [text for text in texts if not valid_keys(self.queryset.model, [text])]:
            raise ValidationError(self.error_messages["invalid_pk_value"], params={"pk": wrong[0][:50]})
        return super().clean(value)


class KeySafe(_Admin):
    """Mixed into an admin: such a key selects nothing in a list and is an error in a form; such a filter is ignored, as Django
    ignores other invalid ones.
    """

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        try:
            return super().changelist_view(request, extra_context)
        except OverflowError:  # a number in a filter that the database cannot compare
            if not request.GET or ERROR_FLAG in request.GET:
                raise
            return HttpResponseRedirect(f"{request.path}?{ERROR_FLAG}=1")

    def formfield_for_manytomany(self, db_field: Any, request: Any = None, **kwargs: Any) -> Any:
        return super().formfield_for_manytomany(db_field, request, **{"form_class": ExistingChoices, **kwargs})

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any], *location: Any) -> Any:
        given = request.POST.copy()
        given.setlist(ACTION_CHECKBOX_NAME, valid_keys(self.model, given.getlist(ACTION_CHECKBOX_NAME)))
        request.POST = given  # type: ignore[assignment]  # a copy of the same type
        return super().response_action(request, queryset, *location)
