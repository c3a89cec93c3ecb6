"""gpumon's addresses and `/plain`: the text in the file BENCH_PLAIN_TEXT, rendered by Django as one value of a template."""

from __future__ import annotations

import functools
import os
from pathlib import Path

from django.http import HttpRequest, HttpResponse
from django.template import Template, engines
from django.urls import path
from django.utils.safestring import SafeString
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from gpumon_site import urls


@functools.cache
def _template() -> Template:
    return engines["django"].from_string("{{ text }}")


@functools.cache
def _text() -> SafeString:
    return SafeString(Path(os.environ["BENCH_PLAIN_TEXT"]).read_text())


@never_cache
@require_safe
async def plain(request: HttpRequest) -> HttpResponse:
    return HttpResponse(_template().render({"text": _text()}, request))


urlpatterns = [path("plain", plain), *urls.urlpatterns]
handler400, handler404, handler500 = urls.handler400, urls.handler404, urls.handler500
