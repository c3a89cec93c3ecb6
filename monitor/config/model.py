"""The settings: GPU_MONITOR_… variables from the environment, then `.env`, then the admin (overrides.py), then the defaults here.

A setting is one declaration in Config and nothing else. `make settings` writes .env.example and docs/configuration.md from it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import PrivateAttr, SecretStr, ValidationInfo, field_validator
from pydantic_settings import SettingsConfigDict

from monitor.config.alerts import AlertSettings
from monitor.config.database_url import DatabaseAddress, parse
from monitor.config.declarations import PREFIX, declarations, setting
from monitor.config.integrations import IntegrationSettings
from monitor.config.paths import LAYOUT
from monitor.config.records import RecordSettings
from monitor.config.values import (
    AbsolutePath,
    AnonymousDetails,
    Auth,
    BasePath,
    CommandDetail,
    DatabaseUrl,
    Format,
    Host,
    HostNames,
    LogLevel,
    Origins,
    ProviderName,
    Proxies,
    PublicUrl,
    SecretKey,
    SleepRule,
    Tls,
    UserName,
)
from monitor.http.authority import origin_of
from monitor.telemetry.providers.selection import IN_ORDER

ENV_FILES = (*LAYOUT.env_files, Path(".env"))
"""The project's own, then the current folder's, which wins. An empty value counts as not set."""

Source = Literal["environment", ".env", "admin", "default"]
_HEADER_PATTERN = re.compile(r"[A-Za-z0-9-]{1,64}")

_NO_USER_HEADERS = frozenset(
    {"authorization", "connection", "cookie", "forwarded", "host", "origin", "referer", "upgrade", "x-forwarded-for"}
    | {"x-forwarded-host", "x-forwarded-port", "x-forwarded-proto", "x-real-ip"}
)

readings = partial(setting, group="Readings")
idle_held = partial(setting, group="Idle-held GPUs")
live_feed = partial(setting, group="Live feed")
server = partial(setting, group="Server")
access = partial(setting, group="Access")


class Setting(NamedTuple):
    """An effective setting. The value of a secret is never included."""

    name: str
    value: Any
    source: Source
    is_secret: bool


class Config(AlertSettings, RecordSettings, IntegrationSettings):
    """Documentation, form and .env.example have the groups in order. A validator sees only the values before its own field."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=ENV_FILES, env_ignore_empty=True, extra="ignore", frozen=True, validate_default=True
    )
    _sources: dict[str, Source] = PrivateAttr(default_factory=dict)

    poll_interval_ms: int = readings(
        1000, "Time between two readings, in milliseconds.", ge=100, le=60_000, admin_label="Polling interval"
    )
    telemetry_provider: ProviderName = readings(
        None,
        "The provider, which is the data source for GPU readings.",
        default_text=f"the first of {', '.join(IN_ORDER[:-1])} and {IN_ORDER[-1]} that finds a GPU",
        admin_label="Provider",
    )
    enable_system_metrics: bool = readings(
        True, "Whether to read the host's CPU, memory, load and uptime as well.", admin_label="System metrics"
    )
    sampler_timeout_ms: int = readings(
        5000, "How long a reading can take, in milliseconds, before it counts as hanging.", ge=500, le=60_000
    )
    let_gpus_sleep: SleepRule = readings(
        "auto", "Whether to release the driver so that idle GPUs can power down.", admin_label="Sleeping GPUs"
    )
    show_commands: CommandDetail = readings(
        "full",
        "How much of a GPU process's command line leaves the server, for users who may see all of it.",
        admin_label="Command lines",
    )
    container_socket: AbsolutePath | None = readings(
        None,
        "The Unix socket of Docker or Podman, such as `/run/docker.sock`, that is asked for the names of containers.",
        default_text="names are read from the files of Docker, Podman and kubelet, if these are readable",
        is_internal=True,
    )
    job_mapping_dir: AbsolutePath | None = readings(
        None,
        "The folder in which a job scheduler writes a file for each GPU with its jobs, such as `/run/gpustat`.",
        default_text="only Slurm jobs with a cgroup of their own are known",
        is_internal=True,
    )
    simulated_gpus: int = readings(8, "Number of GPUs that the provider `simulated` simulates.", ge=1, le=256)
    replay_file: AbsolutePath | None = readings(
        None, "The recording that the provider `replay` plays.", is_internal=True
    )
    replay_speed: float = readings(
        1.0, "Speed of the replay; 2 is twice the original, 0 is as fast as readings are requested.", ge=0, le=1000
    )

    idle_held_memory_mib: int = idle_held(
        1024,
        "Minimum total memory held by a GPU's processes for the GPU to count as held, in MiB.",
        ge=1,
        le=524_288,
        admin_label="Idle-held memory",
    )
    idle_held_utilization_percent: int = idle_held(
        5,
        "The highest utilization at which a held GPU counts as idle, in percent.",
        ge=0,
        le=100,
        admin_label="Idle-held utilization",
    )
    idle_held_minutes: int = idle_held(
        30,
        "How long a GPU must be idle-held before the alert rule for it fires, in minutes.",
        ge=1,
        le=1440,
        admin_label="Idle-held minutes",
    )

    ws_max_rate_hz: int = live_feed(
        5, "Maximum messages per second per client.", ge=1, le=30, admin_label="Broadcast rate"
    )

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

    auth: Auth = access("auto", "Who must log in to view.")
    anonymous_details: AnonymousDetails = access(
        "auto", "Whether anonymous viewers, where they can view at all, see who runs what."
    )
    admin_user: UserName = access(
        "admin", "Username of the first administrator, created with `GPU_MONITOR_ADMIN_PASSWORD`.", is_internal=True
    )
    admin_password: SecretStr | None = access(
        None,
        "Password of the first administrator.",
        default_text="if a login is required, startup logs a set-up link instead",
    )
    admin_password_file: AbsolutePath | None = access(
        None, "A file with that password, for container secrets.", is_internal=True
    )
    remote_user_header: str | None = access(
        None,
        "The header in which a proxy sends the username of a user it has logged in, such as `Remote-User`.",
        default_text="no header is trusted",
        is_internal=True,
    )
    forbid_remote_superusers: bool = access(
        False, "Whether the proxy's header is refused if it names a superuser, who then has to log in here."
    )
    api_requests_per_minute: int = access(
        1200,
        "Rate limit for `/api/`, `/badge/` and `/metrics` per client address, in requests per minute.",
        ge=10,
        le=100_000,
    )
    max_sockets: int = access(2000, "Maximum number of open WebSockets.", ge=1, le=100_000)
    max_sockets_per_address: int = access(
        100, "Maximum number of open WebSockets per client address.", ge=1, le=100_000
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

    @field_validator("admin_password_file")
    @classmethod
    def _password_file_can_be_read(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is None:
            return None
        if info.data.get("admin_password") is not None:
            raise ValueError(f"unset if {PREFIX}ADMIN_PASSWORD is set")
        try:
            value.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"the path of a readable text file ({error})") from None
        return value

    @field_validator("remote_user_header")
    @classmethod
    def _header_needs_a_proxy(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None:
            return None
        if not _HEADER_PATTERN.fullmatch(value):
            raise ValueError("the name of a header, such as Remote-User or X-Forwarded-User")
        if value.lower() in _NO_USER_HEADERS:
            raise ValueError("a header that contains nothing but a username, such as Remote-User or X-Forwarded-User")
        if not info.data.get("trusted_proxies"):
            raise ValueError(f"unset unless {PREFIX}TRUSTED_PROXIES lists the proxies that send this header")
        return value.lower()

    @field_validator("replay_file")
    @classmethod
    def _recording_exists(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is None:
            if info.data.get("telemetry_provider") == "replay":
                raise ValueError(f"the path of a recording, because {PREFIX}TELEMETRY_PROVIDER is replay")
            return None
        try:
            value.stat()
        except OSError as error:
            raise ValueError(f"the path of an existing recording: {error.strerror}") from None
        return value

    @property
    def database_address(self) -> DatabaseAddress | None:
        """Where the PostgreSQL database is; None for SQLite."""
        return None if self.database_url is None else parse(self.database_url.get_secret_value())

    @property
    def public_host(self) -> str | None:
        """The host of the public URL, as in a Host header but without the port."""
        origin = origin_of(self._public_origin)
        return None if origin is None else origin.authority.name

    @property
    def trusted_origins(self) -> list[str]:
        """The origins from which forms and sockets are accepted beside the server's own address."""
        return list(dict.fromkeys(filter(None, [*self.csrf_trusted_origins, self._public_origin])))

    @property
    def _public_origin(self) -> str:
        return "/".join((self.public_url or "").split("/")[:3])

    @classmethod
    def set_in_admin(cls) -> tuple[str, ...]:
        """The settings that administrators can change while the server runs."""
        return tuple(each.name for each in declarations(cls).values() if each.admin_label is not None)

    def source_of(self, name: str) -> Source:
        """Where the value of this field came from."""
        return self._sources.get(name, "default")

    def set_sources(self, sources: Mapping[str, Source]) -> None:
        """Record where the values of these fields came from; the others keep the default."""
        self._sources = dict(sources)

    def layered_with(self, values: Mapping[str, Any]) -> Config:
        """A copy with these values, already validated, as set in the admin."""
        config = self.model_copy(update=values)
        config.set_sources({**self._sources, **dict.fromkeys(values, "admin")})
        return config

    def secret_values(self) -> tuple[str, ...]:
        """Every secret among the settings, to keep them out of the log."""
        values = (getattr(self, name) for name in type(self).model_fields)
        secrets = [value.get_secret_value() for value in values if isinstance(value, SecretStr)]
        if (address := self.database_address) is not None and address.password:
            secrets.append(address.password)
        return tuple(secrets)

    def settings_in_force(self, *, shows_internal: bool) -> list[Setting]:
        """Every setting with its value and source, for /api/config. An internal one can be hidden like a secret."""
        values = self.model_dump(mode="json")
        return [
            Setting(each.variable, None if hidden else values[each.name], self.source_of(each.name), is_secret=hidden)
            for each in declarations(type(self)).values()
            for hidden in (each.is_secret or (each.is_internal and not shows_internal),)
        ]
