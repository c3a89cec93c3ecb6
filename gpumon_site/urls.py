"""The URLs of the whole site: the monitor's pages and API, and Django's admin."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from monitor.web.pages.account import Login, PasswordChange

admin.site.site_header = admin.site.site_title = "gpumon"
admin.site.index_title = "Administration"

urlpatterns = [
    path("admin/login/", Login.as_view()),  # the only page that asks for a password
    path("admin/password_change/", admin.site.admin_view(PasswordChange.as_view())),
    path("admin/", admin.site.urls),
    path("", include("monitor.web.urls")),
]

handler400 = "monitor.web.errors.bad_request"
handler404 = "monitor.web.errors.not_found"
handler500 = "monitor.web.errors.server_error"
