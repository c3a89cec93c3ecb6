"""Django's settings, derived from the Config: what a user can set is in monitor/config/groups/."""

from __future__ import annotations

from typing import Any

from django.utils.crypto import salted_hmac

from monitor.access.policy import access_of, is_behind_tls
from monitor.config.databases import databases
from monitor.config.hosts import ServedHosts
from monitor.config.loading import load_config
from monitor.config.paths import LAYOUT, static_root
from monitor.config.redis_url import require_client
from monitor.config.secret_key import kept_secret_key, prepare_data_dir
from monitor.config.time_zone import server_time_zone
from monitor.logs.config import logging_before_setup, logging_config

GPU_MONITOR = load_config()
if GPU_MONITOR.redis_url is not None:
    require_client()
prepare_data_dir(GPU_MONITOR.data_dir)

DEBUG = GPU_MONITOR.debug
SECRET_KEY = (
    kept_secret_key(GPU_MONITOR.data_dir)
    if GPU_MONITOR.secret_key is None
    else GPU_MONITOR.secret_key.get_secret_value()
)
SERVED_HOSTS = ServedHosts(GPU_MONITOR.allowed_hosts, GPU_MONITOR.host, GPU_MONITOR.public_host)
ALLOWED_HOSTS = list(SERVED_HOSTS.names)  # monitor/http/hosts.py checks the host before Django
CSRF_TRUSTED_ORIGINS = GPU_MONITOR.trusted_origins
ACCESS = access_of(GPU_MONITOR)

# Not FORCE_SCRIPT_NAME: monitor/http/base_path.py and monitor/access/link_paths.py set Django's prefix for each request.
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = f"{GPU_MONITOR.base_path}/"

# Without daphne's app: it would load Twisted's reactor in every command, only to replace `runserver`, and `manage.py serve`
# does that.
INSTALLED_APPS = [
    "monitor",
    "channels",
    "servestatic",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "monitor.http.in_the_loop.Security",
    "monitor.http.security_headers.security_headers",
    "monitor.http.cors.cors",
    "monitor.access.rate_limits.middleware.rate_limits",
    "monitor.web.errors.unknown_hosts",
    "monitor.http.static_files.StaticFiles",
    "monitor.http.in_the_loop.Compression",
    "monitor.http.in_the_loop.Sessions",
    "monitor.http.in_the_loop.Common",
    "monitor.access.middleware.AccessMiddleware",
    "monitor.http.csrf.CsrfMiddleware",
    "monitor.http.in_the_loop.Authentication",
    "monitor.http.in_the_loop.Messages",
    "django_htmx.middleware.HtmxMiddleware",
    "monitor.web.viewer_zone.viewer_zone",
    "monitor.web.database_errors.DatabaseErrors",
]
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_CONTENT_TYPE_NOSNIFF = True
# Cookies belong to a host, whatever the port, so each installation has names of its own: one browser can be logged in to several,
# for example through tunnels to 127.0.0.1. The processes of one hub are one installation.
_PLACE = f"{GPU_MONITOR.port} {GPU_MONITOR.data_dir}" if GPU_MONITOR.redis_url is None else "a hub of several processes"
_INSTALLATION = salted_hmac("gpumon cookies", _PLACE, secret=SECRET_KEY, algorithm="sha256").hexdigest()[:8]
SESSION_COOKIE_NAME = f"gpumon_session_{_INSTALLATION}"
SESSION_COOKIE_AGE = 14 * 24 * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_NAME = f"gpumon_csrf_{_INSTALLATION}"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"  # by default in a cookie `messages`
CSRF_FAILURE_VIEW = "monitor.web.errors.form_refused"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_BEHIND_TLS = is_behind_tls(GPU_MONITOR)
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if IS_BEHIND_TLS else 0
SILENCED_SYSTEM_CHECKS = [
    "security.W001",  # Django's SecurityMiddleware is on, in a subclass: monitor/http/in_the_loop.py
    "security.W002",  # X-Frame-Options: monitor/http/security_headers.py sets it on every response
    "security.W003",  # Django's check against forged forms is on, in a subclass: monitor/http/csrf.py
    "security.W005",  # HSTS for subdomains: this host does not know them
    "security.W008",  # the proxy redirects HTTP to HTTPS; health checks use HTTP
    "security.W021",  # browsers' preload lists are for whole domains
]

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "dashboard"
LOGOUT_REDIRECT_URL = "login"
AUTH_PASSWORD_VALIDATORS: list[dict[str, Any]] = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

ROOT_URLCONF = "gpumon_site.urls"
ASGI_APPLICATION = "gpumon_site.asgi.application"

TEMPLATES: list[dict[str, Any]] = [
    {
        "NAME": "django",
        "BACKEND": "monitor.web.page_templates.PageTemplates",
        "DIRS": [LAYOUT.templates],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = databases(GPU_MONITOR)
HISTORY_DATABASE = "history" if "history" in DATABASES else "default"
DATABASE_ROUTERS = ["monitor.history.database.HistoryRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Without files: monitor/http/body_limit.py limits the whole request earlier.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1 << 20
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000
DATA_UPLOAD_MAX_NUMBER_FILES = 5

# ServeStatic, and not WhiteNoise, whose middleware is synchronous only (async_capable = False): under ASGI every request would go
# through a thread, and Django would read each file into memory before sending it. docs/architecture.md compares them.
STATIC_URL = f"{GPU_MONITOR.base_path}/static/"
SERVESTATIC_STATIC_PREFIX = "/static/"  # it sees paths without the base path
STATIC_ROOT = static_root(GPU_MONITOR.static_dir, GPU_MONITOR.data_dir)
# Readable for a web server in front, whatever the umask. (The data folder is closed to it.)
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o755
STATICFILES_DIRS = [LAYOUT.static]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "monitor.http.static_files.HashedStaticStorage"},
}
SERVESTATIC_ALLOW_ALL_ORIGINS = False

LANGUAGE_CODE = "en-us"
USE_I18N = False
FORMAT_MODULE_PATH = "gpumon_site.date_formats"
with logging_before_setup(GPU_MONITOR.log_format):
    TIME_ZONE = server_time_zone()
USE_TZ = True

LOGGING = logging_config(GPU_MONITOR.log_format, GPU_MONITOR.log_level, (SECRET_KEY, *GPU_MONITOR.secret_values()))
