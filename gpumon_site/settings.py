"""Django's settings, derived from the Config: what a user can set is in config.py, what Django needs is here."""

from __future__ import annotations

from typing import Any

from monitor.access.policy import access_of, is_behind_tls
from monitor.config.hosts import hosts_answered
from monitor.config.loading import load_config
from monitor.config.paths import LAYOUT
from monitor.config.secret_key import kept_secret_key, prepare_data_dir
from monitor.config.static_dir import static_root
from monitor.config.time_zone import server_time_zone
from monitor.logs.config import logging_config

GPU_MONITOR = load_config()
prepare_data_dir(GPU_MONITOR.data_dir)

DEBUG = GPU_MONITOR.debug
SECRET_KEY = (
    kept_secret_key(GPU_MONITOR.data_dir)
    if GPU_MONITOR.secret_key is None
    else GPU_MONITOR.secret_key.get_secret_value()
)
ALLOWED_HOSTS = hosts_answered(GPU_MONITOR.allowed_hosts, GPU_MONITOR.host)
CSRF_TRUSTED_ORIGINS = list(GPU_MONITOR.csrf_trusted_origins)
ACCESS = access_of(GPU_MONITOR)

# None, and not "", where there is no base path: see base_path.py, which tells Django either way.
FORCE_SCRIPT_NAME = GPU_MONITOR.base_path or None
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = f"{GPU_MONITOR.base_path}/"

# daphne is not among the apps: it would bring its reactor into every command, only to replace `runserver`, in whose
# place `manage.py serve` stands.
INSTALLED_APPS = [
    "monitor",
    "channels",
    "django_htmx",
    "servestatic",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "monitor.http.security_headers.security_headers",
    "monitor.access.rate_limit_middleware.rate_limits",
    "monitor.http.static_files.StaticFiles",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "monitor.access.middleware.AccessMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_CONTENT_TYPE_NOSNIFF = True
# Cookies are of the host, whatever the port: names of our own keep apart what else of Django runs there.
SESSION_COOKIE_NAME = "gpumon_session"
SESSION_COOKIE_AGE = 14 * 24 * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_NAME = "gpumon_csrf"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_BEHIND_TLS = is_behind_tls(GPU_MONITOR)
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if IS_BEHIND_TLS else 0
SILENCED_SYSTEM_CHECKS = [
    "security.W002",  # X-Frame-Options: monitor/http/security_headers.py sets it on every response
    "security.W005",  # HSTS for subdomains: of those this host knows nothing
    "security.W008",  # from HTTP to HTTPS leads the proxy; health checks come by HTTP
    "security.W021",  # browsers' preload lists are of whole domains
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
        "BACKEND": "django.template.backends.django.DjangoTemplates",
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

DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": GPU_MONITOR.data_dir / "gpumon.sqlite3",
        "OPTIONS": {
            # Writers queue from their first statement instead of failing at their first write.
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            # WAL: readers and the writer do not wait for each other; with it, NORMAL loses nothing but, at a loss of
            # power, the last transactions (https://www.sqlite.org/pragma.html#pragma_synchronous).
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-8000;",
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Files apart: the whole of a request is limited before, in body_limit.py.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1 << 20
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1000
DATA_UPLOAD_MAX_NUMBER_FILES = 5

# Static files are served by ServeStatic, chosen over WhiteNoise: it is asynchronous all the way, where WhiteNoise's
# middleware is synchronous only (async_capable = False): under ASGI every request goes through a thread, and Django
# holds each file whole in memory before it sends it. The comparison stands in docs/architecture.md.
STATIC_URL = f"{GPU_MONITOR.base_path}/static/"
STATIC_ROOT = static_root(GPU_MONITOR.static_dir, GPU_MONITOR.data_dir)
# A web server in front may read them from disk, whatever the umask. (The data folder above them is closed to it.)
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
TIME_ZONE = server_time_zone()
USE_TZ = True

LOGGING = logging_config(GPU_MONITOR.log_format, GPU_MONITOR.log_level, (SECRET_KEY, *GPU_MONITOR.secret_values()))
