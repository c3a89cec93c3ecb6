"""The addresses of pages, API and sockets."""

from __future__ import annotations

from django.urls import path

from monitor.web import pages, views

urlpatterns = [
    path("", pages.dashboard_page, name="dashboard"),
    path("gpu/<path:uuid>", pages.gpu, name="gpu"),
    path("api/health", views.health, name="health"),
    path("api/config", views.config, name="config"),
    path("api/snapshot", views.snapshot, name="snapshot"),
    path("api/schema", views.schema, name="schema"),
]
