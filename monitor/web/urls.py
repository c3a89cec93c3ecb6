"""The addresses of pages, API and sockets."""

from __future__ import annotations

from django.urls import path

from monitor.web import views

urlpatterns = [
    path("", views.dashboard, name="dashboard"),
    path("api/health", views.health, name="health"),
    path("api/config", views.config, name="config"),
    path("api/snapshot", views.snapshot, name="snapshot"),
    path("api/schema", views.schema, name="schema"),
]
