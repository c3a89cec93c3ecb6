"""The settings of the server: its addresses, its folders and database, its log."""

from __future__ import annotations

from functools import partial
from urllib.parse import urlsplit

from pydantic import ValidationInfo, field_validator
from pydantic_settings import BaseSettings

from monitor.config.declarations import PREFIX, setting
from monitor.config.paths import LAYOUT
from monitor.config.values import (
    AbsolutePath,
    BasePath,
    DatabaseUrl,
    Format,
    Host,
    HostNames,
    LogLevel,
    Origins,
    Proxies,
    PublicUrl,
    SecretKey,
    Tls,
)

server = partial(setting, group="Server")


class ServerSettings(BaseSettings):
    """A part of Config (monitor/config/model.py)."""

    host: Host = server("127.0.0.1", "The address that the server listens on.")
    port: int = server(5000, "The port that the server listens on.", ge=1, le=65_535)
    allowed_hosts: HostNames = server(
        (),
        "The host names under which the dashboard can be opened, separated by commas, without scheme or port.",
        default_text="`localhost`, the loopback addresses and `GPU_MONITOR_HOST`; if that is `0.0.0.0` or `::`, also this "
        "host's name and addresses",
    )
    csrf_trusted_origins: Origins = server(
        (), "Origins from which forms and sockets are accepted, separated by commas, with scheme."
    )
    trusted_proxies: Proxies = server(
        (),
        "The proxies whose `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Forwarded-Host` headers are trusted, separated by "
        "commas.",
        default_text="no proxy is trusted, and the headers are dropped",
        is_internal=True,
    )
    base_path: BasePath = server(
        "",
        "The path below which everything is served, such as `/gpus`, on a site that also serves other things.",
        default_text="at the root",
    )
    public_url: PublicUrl | None = server(
        None,
        "The URL under which users open the dashboard, such as `https://gpu.example.com/`.",
        default_text="notifications contain no links, because a server cannot know its public name",
    )
    tls: Tls = server("auto", "Whether browsers reach gpumon over HTTPS.")
    static_dir: AbsolutePath | None = server(
        None,
        "The folder for the collected static files.",
        default_text="`static` in `GPU_MONITOR_DATA_DIR`, which only gpumon can read",
        is_internal=True,
    )
    data_dir: AbsolutePath = server(
        LAYOUT.data_dir,
        "The folder for the database, the secret key and the collected static files.",
        default_text="`data` in the project's folder; for an installed wheel, `~/.local/share/gpumon` (or `gpumon` in "
        "`XDG_DATA_HOME`)",
        is_internal=True,
    )
    database_url: DatabaseUrl = server(
        None,
        "The PostgreSQL database that holds everything, such as `postgresql://gpumon:password@db.example.com/gpumon`; or `sqlite`.",
        default_text="SQLite, in `GPU_MONITOR_DATA_DIR`",
    )
    secret_key: SecretKey | None = server(
        None,
        "The key that signs sessions and forms, at least 32 characters.",
        default_text="the first start generates one",
    )
    log_level: LogLevel = server("INFO", "The lowest level that is logged.", admin_label="Log level")
    log_format: Format = server("text", "Format of log records.")
    access_log: bool = server(False, "Whether to log each request.")
    debug: bool = server(
        False, "Whether to show detailed error pages and serve static files straight from disk, to develop gpumon."
    )

    @field_validator("public_url")
    @classmethod
    def _public_url_has_the_base_path(cls, value: str | None, info: ValidationInfo) -> str | None:
        base_path = info.data.get("base_path")
        if value is None or not base_path:
            return value
        path = urlsplit(value).path.rstrip("/")
        if path not in ("", base_path):
            raise ValueError(f"a URL with the path {base_path}/, which {PREFIX}BASE_PATH sets, or without a path")
        return f"{value.rstrip('/')}{'' if path else base_path}/"

    @field_validator("tls")
    @classmethod
    def _tls_fits_the_public_url(cls, value: str, info: ValidationInfo) -> str:
        if value == "on" and (info.data.get("public_url") or "").startswith("http://"):
            raise ValueError(
                f"auto or off, because {PREFIX}PUBLIC_URL begins with http: browsers would send no cookies"
            )
        return value
