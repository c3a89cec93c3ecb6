"""The addresses of the pages and the API."""

from __future__ import annotations

from django.urls import path

from monitor.web import metrics
from monitor.web.api import views
from monitor.web.hosts import views as views_of_hosts
from monitor.web.pages import (
    account,
    alerts,
    badge,
    dashboard,
    free,
    gpu,
    history,
    manifest,
    ribbons,
    snooze,
    usage,
    wrong_link,
)
from monitor.web.plain_sockets import plain_socket

urlpatterns = [
    path("", views_of_hosts.home, name="dashboard"),
    path("gpu/<path:uuid>", gpu.gpu, name="gpu"),
    path("host/<str:host>/", dashboard.dashboard, name="host"),
    path("host/<str:host>/gpu/<path:uuid>", gpu.gpu, name="host-gpu"),
    path("free", free.free, name="free"),
    path("manifest.webmanifest", manifest.manifest, name="manifest"),
    path("badge/<str:name>.svg", badge.badge, name="badge"),
    path("history", history.history_page, name="history"),
    path("ribbons", ribbons.ribbons, name="ribbons"),
    path("ribbons/<path:uuid>", ribbons.who, name="who"),
    path("usage", usage.usage_page, name="usage"),
    path("alerts", alerts.alerts, name="alerts"),
    path("alerts/<uuid:event_id>", alerts.alert, name="alert"),
    path("alerts/<uuid:event_id>/acknowledge", alerts.acknowledge, name="acknowledge"),
    path("alerts/<uuid:event_id>/snooze", snooze.snooze, name="snooze"),
    path("login", account.Login.as_view(), name="login"),
    path("logout", account.Logout.as_view(), name="logout"),
    path("account/password", account.PasswordChange.as_view(), name="password"),
    path("setup/<str:token>", account.setup, name="setup"),
    path("metrics", metrics.metrics, name="metrics"),
    path("view/<path:rest>", wrong_link.wrong_link, name="wrong-link"),
    path("ws/<path:name>", plain_socket, name="plain-socket"),
    path("api/health", views.health, name="health"),
    path("api/alerts", views.alerts, name="api-alerts"),
    path("api/free", views.free, name="api-free"),
    path("api/hosts", views.hosts, name="api-hosts"),
    path("api/history", views.history, name="api-history"),
    path("api/usage", views.usage, name="api-usage"),
    path("api/usage/processes", views.usage_processes, name="api-usage-processes"),
    path("api/config", views.config, name="config"),
    path("api/snapshot", views.snapshot, name="snapshot"),
    path("api/schema", views.schema, name="schema"),
    path("api/openapi.json", views.openapi_document, name="openapi"),
]
