"""The settings of gpumon: GPU_MONITOR_… variables from the environment, then `.env`, then the admin (see admin_layer.py), then
the defaults below.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, PrivateAttr, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from monitor.config.paths import LAYOUT
from monitor.http.proxies import UNIX, network
from monitor.logs.lines import LogFormat

log = logging.getLogger(__name__)

PREFIX = "GPU_MONITOR_"
ENV_FILES = (*LAYOUT.env_files, Path(".env"))
"""The project's own, then the current folder's, which wins. A name with an empty value counts as not set."""

Source = Literal["environment", ".env", "admin", "default"]
_HOST_PATTERN = re.compile(r"\*|\.?[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?|\[[0-9A-Fa-f:.]+\]")
_NOT_IN_A_HOST = re.compile(r"[\s/]")
_URL_PATTERN = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?")
_USER_NAME_PATTERN = re.compile(r"[\w.@+-]{1,150}")
_HEADER_PATTERN = re.compile(r"[A-Za-z0-9-]{1,64}")
_ORIGIN_PATTERN = re.compile(r"https?://(?:\*\.)?[^\s/*]+")
_SEGMENT_PATTERN = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._~-]+")


def _split_by_comma(value: Any) -> Any:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _upper(value: Any) -> Any:
    return value.strip().upper() if isinstance(value, str) else value


def _lower(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


def _provider_name(value: Any) -> Any:
    """The program is called nvidia-smi and the provider nvidia_smi: both are meant; auto says what None does."""
    name = value.strip().lower().replace("-", "_") if isinstance(value, str) else value
    return None if name in {"auto", "null"} else name


def _has_host(url: str) -> bool:
    """Whether a host stands between scheme and path, with a port that can be one or with none."""
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _absolute(path: Path) -> Path:
    try:
        return path.expanduser().absolute()
    except RuntimeError:
        raise ValueError("a path; the home folder that this one begins with is not known") from None


CommaList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_by_comma)]
Format = Annotated[LogFormat, BeforeValidator(_lower)]
LogLevel = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_upper)]
ProviderName = Annotated[
    Literal["pynvml", "nvidia_smi", "nvtop", "simulated", "replay"] | None, BeforeValidator(_provider_name)
]
SleepRule = Annotated[Literal["auto", "always", "never"], BeforeValidator(_lower)]
CommandDetail = Annotated[Literal["full", "name", "none"], BeforeValidator(_lower)]
Auth = Annotated[Literal["auto", "login", "none"], BeforeValidator(_lower)]
AnonymousDetails = Annotated[Literal["auto", "show", "hide"], BeforeValidator(_lower)]
Tls = Annotated[Literal["auto", "on", "off"], BeforeValidator(_lower)]


class Setting(NamedTuple):
    """One setting as it is in force. The value of a secret is never given."""

    name: str
    value: Any
    source: Source
    is_secret: bool


class Config(BaseSettings):
    """What each setting does, with examples, stands in docs/configuration.md."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=ENV_FILES, env_ignore_empty=True, extra="ignore", frozen=True, validate_default=True
    )
    _sources: dict[str, Source] = PrivateAttr(default_factory=dict)

    poll_interval_ms: int = Field(1000, ge=100, le=60_000)
    ws_max_rate_hz: int = Field(5, ge=1, le=30)
    log_level: LogLevel = "INFO"
    log_format: Format = "text"
    access_log: bool = False
    enable_system_metrics: bool = True
    telemetry_provider: ProviderName = None
    host: str = "127.0.0.1"
    port: int = Field(5000, ge=1, le=65_535)
    data_dir: Path = LAYOUT.data_dir
    secret_key: SecretStr | None = None
    allowed_hosts: CommaList = ()
    csrf_trusted_origins: CommaList = ()
    trusted_proxies: CommaList = ()
    base_path: str = ""
    public_url: str | None = None
    auth: Auth = "auto"
    anonymous_details: AnonymousDetails = "auto"
    admin_user: str = "admin"
    admin_password: SecretStr | None = None
    admin_password_file: Path | None = None
    remote_user_header: str | None = None
    tls: Tls = "auto"
    max_sockets: int = Field(2000, ge=1, le=100_000)
    max_sockets_per_address: int = Field(100, ge=1, le=100_000)
    api_requests_per_minute: int = Field(1200, ge=10, le=100_000)
    static_dir: Path | None = None
    debug: bool = False
    sampler_timeout_ms: int = Field(5000, ge=500, le=60_000)
    let_gpus_sleep: SleepRule = "auto"
    show_commands: CommandDetail = "full"
    simulated_gpus: int = Field(8, ge=1, le=256)
    replay_file: Path | None = None
    replay_speed: float = Field(1.0, ge=0, le=1000, allow_inf_nan=False)
    idle_held_memory_mib: int = Field(1024, ge=1, le=524_288)
    idle_held_utilization_percent: int = Field(5, ge=0, le=100)
    idle_held_minutes: int = Field(30, ge=1, le=1440)
    alert_retention_days: int = Field(90, ge=1, le=3650)
    forbid_private_webhooks: bool = False

    @field_validator("host")
    @classmethod
    def _host_is_an_address(cls, value: str) -> str:
        if not value or _NOT_IN_A_HOST.search(value):
            raise ValueError("an address of this machine or a host name, such as 127.0.0.1 or 0.0.0.0")
        return value.strip("[]")

    @field_validator("secret_key")
    @classmethod
    def _secret_key_is_long(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < 32:
            raise ValueError("at least 32 characters")
        return value

    @field_validator("allowed_hosts")
    @classmethod
    def _hosts_are_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(_HOST_PATTERN.fullmatch(host) for host in value):
            raise ValueError("host names or addresses between commas, without scheme and port, such as gpu01,10.0.0.7")
        return value

    @field_validator("csrf_trusted_origins")
    @classmethod
    def _origins_have_a_scheme(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(_ORIGIN_PATTERN.fullmatch(origin) and _has_host(origin) for origin in value):
            raise ValueError("origins between commas, with scheme and without path, such as https://gpu.example.com")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _proxies_are_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        try:
            for proxy in value:
                if proxy != UNIX:
                    network(proxy)
        except ValueError as error:
            raise ValueError(
                f"addresses and networks of proxies between commas, such as 127.0.0.1,10.0.0.0/24, or {UNIX}: {error}"
            ) from None
        return value

    @field_validator("public_url")
    @classmethod
    def _public_url_can_be_opened(cls, value: str | None) -> str | None:
        if value is not None and not (_URL_PATTERN.fullmatch(value) and _has_host(value)):
            raise ValueError("an address that a browser opens, such as https://gpu.example.com/gpus/")
        return value

    @field_validator("base_path")
    @classmethod
    def _base_path_begins_with_a_slash(cls, value: str) -> str:
        path = value.strip("/")
        if path and not all(_SEGMENT_PATTERN.fullmatch(segment) for segment in path.split("/")):
            raise ValueError("a path of letters, digits, - . _ and ~, such as /gpus")
        return f"/{path}" if path else ""

    @field_validator("admin_user")
    @classmethod
    def _admin_user_is_a_user_name(cls, value: str) -> str:
        if not _USER_NAME_PATTERN.fullmatch(value):
            raise ValueError("a user name of up to 150 letters, digits and @ . + - _")
        return value

    @field_validator("admin_password_file")
    @classmethod
    def _password_file_can_be_read(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is None:
            return None
        if info.data.get("admin_password") is not None:
            raise ValueError(f"nothing where {PREFIX}ADMIN_PASSWORD is set: it is one or the other")
        path = _absolute(value)
        try:
            path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"the path of a text file that can be read ({error})") from None
        return path

    @field_validator("remote_user_header")
    @classmethod
    def _header_needs_a_proxy(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None:
            return None
        if not _HEADER_PATTERN.fullmatch(value):
            raise ValueError("the name of a header, such as Remote-User or X-Forwarded-User")
        if not info.data.get("trusted_proxies"):
            raise ValueError(f"a header's name once {PREFIX}TRUSTED_PROXIES names the proxies that may set it")
        return value.lower()

    @field_validator("static_dir")
    @classmethod
    def _static_dir_is_absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else _absolute(value)

    @field_validator("data_dir")
    @classmethod
    def _data_dir_is_absolute(cls, value: Path) -> Path:
        return _absolute(value)

    @field_validator("replay_file")
    @classmethod
    def _recording_exists(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is None:
            if info.data.get("telemetry_provider") == "replay":
                raise ValueError(f"the path of a recording, since {PREFIX}TELEMETRY_PROVIDER is replay")
            return None
        path = _absolute(value)
        try:
            path.stat()
        except OSError as error:
            raise ValueError(f"the path of an existing recording: {error.strerror}") from None
        return path

    def source_of(self, name: str) -> Source:
        """Where the value of this field came from."""
        return self._sources.get(name, "default")

    def layered_with(self, values: Mapping[str, Any]) -> Config:
        """A copy in which these values, checked before, stand as set in the admin."""
        config = self.model_copy(update=values)
        config._sources = {**self._sources, **dict.fromkeys(values, "admin")}
        return config

    def secret_values(self) -> tuple[str, ...]:
        """Every secret among the settings, to keep them out of the log."""
        given = (getattr(self, name) for name in type(self).model_fields)
        return tuple(value.get_secret_value() for value in given if isinstance(value, SecretStr))

    def settings_in_force(self) -> list[Setting]:
        """Every setting with its value and where it came from, for /api/config."""
        values = self.model_dump(mode="json")
        return [
            Setting(
                name=PREFIX + name.upper(),
                value=None if name in SECRETS else values[name],
                source=self.source_of(name),
                is_secret=name in SECRETS,
            )
            for name in type(self).model_fields
        ]


SECRETS = frozenset({"secret_key", "admin_password"})
"""Fields whose value is never shown."""
