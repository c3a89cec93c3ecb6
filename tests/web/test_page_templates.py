"""What a page was made of is freed with the response, without the garbage collector."""

from __future__ import annotations

import gc
import weakref

from django.http import HttpRequest
from django.template import engines
from django.template.backends.django import Template
from django.test import RequestFactory

from monitor.web.page_templates import PageTemplate


class Shown:
    """Something that a page shows."""

    def __str__(self) -> str:
        return "many hosts"


def rendered_and_kept(template: Template) -> tuple[str, Shown | None]:
    """The HTML, and what is still there of what it shows."""
    shown = Shown()
    kept = weakref.ref(shown)
    gc.disable()
    try:
        html = template.render({"shown": shown}, _request())
        del shown
        return html, kept()
    finally:
        gc.enable()


def _request() -> HttpRequest:
    request = RequestFactory().get("/")
    request.user = None  # type: ignore[assignment]  # for the context processors
    request._messages = ()  # type: ignore[attr-defined]  # noqa: SLF001
    return request


def test_nothing_keeps_what_a_page_shows() -> None:
    template = engines["django"].from_string("{% with again=shown %}{{ again }}{% endwith %}")
    made = PageTemplate(template.template, template.backend)
    assert rendered_and_kept(made) == ("many hosts", None)


def test_django_alone_would_keep_it() -> None:
    """If it no longer does, PageTemplates can go."""
    template = engines["django"].from_string("{{ shown }}")
    html, kept = rendered_and_kept(template)
    assert html == "many hosts"
    assert kept is not None


def test_pages_are_rendered_by_it() -> None:
    assert isinstance(engines["django"].get_template("base.html"), PageTemplate)
