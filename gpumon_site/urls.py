"""The addresses of the whole site: the monitor's pages and API, and Django's admin."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("monitor.web.urls")),
]
