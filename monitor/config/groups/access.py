"""The settings of access: who must log in, who is an administrator, and how much one address may ask for."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from pydantic import SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings

from monitor.config.declarations import PREFIX, setting
from monitor.config.values import AbsolutePath, AnonymousDetails, Auth, UserName

_HEADER_PATTERN = re.compile(r"[A-Za-z0-9-]{1,64}")

_NO_USER_HEADERS = frozenset(
    {"authorization", "connection", "cookie", "forwarded", "host", "origin", "referer", "upgrade", "x-forwarded-for"}
    | {"x-forwarded-host", "x-forwarded-port", "x-forwarded-proto", "x-real-ip"}
)

access = partial(setting, group="Access")


class AccessSettings(BaseSettings):
    """A part of Config (monitor/config/model.py)."""

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
