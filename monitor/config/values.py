"""The types of the settings' values. An error says what is allowed, and completes the words `… is invalid: must be`."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import NoDecode

from monitor.config import redis_url
from monitor.config.database_url import parse
from monitor.config.metrics_names import checked_metrics_names
from monitor.http.authority import origin_of
from monitor.http.proxies import UNIX, network
from monitor.logs.lines import LogFormat
from monitor.telemetry.providers.selection import NAMES

_HOST_PATTERN = re.compile(r"\*|\.?[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?|\[[0-9A-Fa-f:.]+\]")
_NOT_IN_A_HOST = re.compile(r"[\s/]")
_URL_PATTERN = re.compile(r"(?P<origin>https?://[^\s/?#@]+)(?P<path>/[^\s?#]*)?", re.IGNORECASE)
_USER_NAME_PATTERN = re.compile(r"[\w.@+-]{1,150}")
ADDRESSES = frozenset(
    {
        "account",
        "admin",
        "alerts",
        "api",
        "badge",
        "free",
        "gpu",
        "history",
        "host",
        "login",
        "logout",
        "manifest.webmanifest",
        "metrics",
        "ribbons",
        "setup",
        "static",
        "usage",
        "view",
        "ws",
    }
)
"""The first parts of the server's own paths."""
_REPORT_ADDRESS_PATTERN = re.compile(
    r"\A(?:[A-Za-z0-9_+-][A-Za-z0-9._+-]*)?\{user\}(?:[A-Za-z0-9._+-]*[A-Za-z0-9_+-])?"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
)
_SEGMENT_PATTERN = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._~-]+")


def _split_by_comma(value: Any) -> Any:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _upper(value: Any) -> Any:
    return value.strip().upper() if isinstance(value, str) else value


def _lower(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


def _provider_name(value: Any) -> Any:
    """Accepts the program's name, nvidia-smi, for the provider nvidia_smi, and `auto` for no choice."""
    name = value.strip().lower().replace("-", "_") if isinstance(value, str) else value
    return None if name in {"auto", "null"} else name


def _checked_host(value: str) -> str:
    if not value or _NOT_IN_A_HOST.search(value):
        raise ValueError("an address of this host or a host name, such as 127.0.0.1 or 0.0.0.0")
    return value.strip("[]")


def _checked_host_names(value: tuple[str, ...]) -> tuple[str, ...]:
    names = tuple(_in_brackets(host) for host in value)
    if not all(_HOST_PATTERN.fullmatch(host) for host in names):
        raise ValueError(
            "host names or addresses separated by commas, without scheme and port, such as gpu01,10.0.0.7 (.example.com stands "
            "for all names below it)"
        )
    return names


def _in_brackets(host: str) -> str:
    """An IPv6 address as in a URL."""
    try:
        return f"[{ipaddress.IPv6Address(host)}]"
    except ValueError:
        return host


def _checked_origins(value: tuple[str, ...]) -> tuple[str, ...]:
    origins = tuple(_canonical_origin(origin) for origin in value)
    if None in origins:
        raise ValueError("origins separated by commas, with scheme and without path, such as https://gpu.example.com")
    return tuple(origin for origin in origins if origin is not None)


def _checked_frame_ancestors(value: tuple[str, ...]) -> tuple[str, ...]:
    if any("[" in origin for origin in value):
        raise ValueError(
            "origins separated by commas, with scheme and a host name or IPv4 address, such as https://home.example.com: a content "
            "security policy cannot name an IPv6 address"
        )
    return value


def _canonical_origin(text: str) -> str | None:
    """As browsers send it: in lower case, without the scheme's own port."""
    scheme, _, host = text.removesuffix("/").partition("://")
    wildcard = "*." if host.startswith("*.") else ""
    origin = origin_of(f"{scheme}://{host.removeprefix(wildcard)}")
    return None if origin is None else f"{origin.scheme}://{wildcard}{origin.authority}"


def _checked_proxies(value: tuple[str, ...]) -> tuple[str, ...]:
    try:
        for proxy in value:
            if proxy != UNIX:
                network(proxy)
    except ValueError as error:
        raise ValueError(
            f"addresses and networks of proxies separated by commas, such as 127.0.0.1,10.0.0.0/24, or {UNIX}: {error}"
        ) from None
    return value


def _checked_public_url(value: str) -> str:
    parts = _URL_PATTERN.fullmatch(value)
    origin = None if parts is None else origin_of(parts["origin"])
    if parts is None or origin is None:
        raise ValueError("a URL that a browser can open, such as https://gpu.example.com/gpus/")
    return f"{origin}{parts['path'] or '/'}"


def _checked_hub_url(value: str) -> str:
    parts = _URL_PATTERN.fullmatch(value)
    origin = None if parts is None else origin_of(parts["origin"])
    if parts is None or origin is None:
        raise ValueError(
            "the URL of a gpumon server, with scheme and without user or query, such as https://gpus.example.org"
        )
    return f"{origin}{(parts['path'] or '').rstrip('/')}"


def _checked_heartbeat_url(value: SecretStr) -> SecretStr:
    allowed = "an http or https URL, such as https://hc-ping.com/your-uuid"
    url = value.get_secret_value()
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:  # a bad port or address, in words that contain a part of the URL
        raise ValueError(allowed) from None
    if parts.scheme not in ("http", "https") or not has_host or not url.isprintable() or " " in url:
        raise ValueError(allowed)
    return value


def _checked_base_path(value: str) -> str:
    path = value.strip("/")
    if path and not all(_SEGMENT_PATTERN.fullmatch(segment) for segment in path.split("/")):
        raise ValueError("a path of letters, digits, - . _ and ~, such as /gpus")
    first, _, rest = path.partition("/")
    if first in ADDRESSES and not (first == "gpu" and rest):  # no GPU has a name that goes on like such a path
        raise ValueError(
            f"a path that does not begin like the server's own ({', '.join(sorted(ADDRESSES))}), such as /gpus"
        )
    return f"/{path}" if path else ""


def _checked_user_name(value: str) -> str:
    if not _USER_NAME_PATTERN.fullmatch(value):
        raise ValueError("a username of up to 150 letters, digits and @ . + - _")
    return value


def _checked_currency(value: str) -> str:
    if not 1 <= len(value) <= 8 or not value.isprintable():
        raise ValueError("1 to 8 characters, such as EUR or $")
    return value


def _checked_report_address(value: str) -> str:
    if len(value) > 100 or ".." in value or not _REPORT_ADDRESS_PATTERN.fullmatch(value):
        raise ValueError(
            "a mail address with {user} once before the @, such as {user}@example.org, up to 100 characters"
        )
    return value


def _checked_secret_key(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < 32:
        raise ValueError("at least 32 characters long")
    return value


def _without_sqlite(value: Any) -> Any:
    return None if isinstance(value, str) and value.strip().lower() == "sqlite" else value


def _checked_database_url(value: SecretStr | None) -> SecretStr | None:
    if value is not None:
        parse(value.get_secret_value())
    return value


def _checked_redis_url(value: SecretStr) -> SecretStr:
    redis_url.check(value.get_secret_value())
    return value


def _absolute(path: Path) -> Path:
    try:
        return path.expanduser().absolute()
    except RuntimeError:
        raise ValueError("a path, and the home folder at its beginning is unknown") from None


Format = Annotated[LogFormat, BeforeValidator(_lower)]
LogLevel = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_upper)]
if TYPE_CHECKING:
    _KnownProvider = str
else:
    _KnownProvider = Literal[NAMES]
ProviderName = Annotated[_KnownProvider | None, BeforeValidator(_provider_name)]
SleepRule = Annotated[Literal["auto", "always", "never"], BeforeValidator(_lower)]
CommandDetail = Annotated[Literal["full", "name", "none"], BeforeValidator(_lower)]
Auth = Annotated[Literal["auto", "login", "none"], BeforeValidator(_lower)]
AnonymousDetails = Annotated[Literal["auto", "show", "hide"], BeforeValidator(_lower)]
Tls = Annotated[Literal["auto", "on", "off"], BeforeValidator(_lower)]
CommaList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_by_comma)]
MetricsNames = Annotated[CommaList, AfterValidator(checked_metrics_names)]
HostNames = Annotated[CommaList, AfterValidator(_checked_host_names)]
Origins = Annotated[CommaList, AfterValidator(_checked_origins)]
FrameAncestors = Annotated[Origins, AfterValidator(_checked_frame_ancestors)]
Proxies = Annotated[CommaList, AfterValidator(_checked_proxies)]
Host = Annotated[str, AfterValidator(_checked_host)]
PublicUrl = Annotated[str, AfterValidator(_checked_public_url)]
BasePath = Annotated[str, AfterValidator(_checked_base_path)]
HubUrl = Annotated[str, AfterValidator(_checked_hub_url)]
UserName = Annotated[str, AfterValidator(_checked_user_name)]
Currency = Annotated[str, AfterValidator(_checked_currency)]
HeartbeatUrl = Annotated[SecretStr, AfterValidator(_checked_heartbeat_url)]
ReportAddress = Annotated[str, AfterValidator(_checked_report_address)]
SecretKey = Annotated[SecretStr, AfterValidator(_checked_secret_key)]
DatabaseUrl = Annotated[SecretStr | None, BeforeValidator(_without_sqlite), AfterValidator(_checked_database_url)]
RedisUrl = Annotated[SecretStr, AfterValidator(_checked_redis_url)]
AbsolutePath = Annotated[Path, AfterValidator(_absolute)]
