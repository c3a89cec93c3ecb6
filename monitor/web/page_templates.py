"""Django's templates, whose contexts are freed as soon as they are rendered.

The context of a request refers to itself (`ContextDict.context`). So what a page was made of, with many hosts thousands of objects,
would wait for the garbage collector, whose full collections stop the event loop.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.template.backends.django import DjangoTemplates, Template
from django.template.context import make_context
from django.utils.safestring import SafeString


class PageTemplates(DjangoTemplates):
    """The backend. What it finds are Django's own templates."""

    def get_template(self, template_name: str) -> PageTemplate:
        """Raises TemplateDoesNotExist."""
        return PageTemplate(super().get_template(template_name).template, self)


class PageTemplate(Template):
    """One template."""

    def render(self, context: dict[str, Any] | None = None, request: HttpRequest | None = None) -> SafeString:
        """As Django's."""
        made = make_context(context, request, autoescape=self.backend.engine.autoescape)
        try:
            return self.template.render(made)
        finally:
            made.dicts.clear()
