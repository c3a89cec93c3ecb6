"""The settings: GPU_MONITOR_… variables from the environment, then `.env`, then the admin (overrides.py), then the defaults here.

A setting is one declaration in a class of `groups/` and nothing else. `make settings` writes .env.example and
docs/configuration.md from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import PrivateAttr, SecretStr
from pydantic_settings import SettingsConfigDict

from monitor.config.database_url import DatabaseAddress, parse
from monitor.config.declarations import PREFIX, declarations
from monitor.config.groups.access import AccessSettings
from monitor.config.groups.alerts import AlertSettings
from monitor.config.groups.fleet import FleetSettings
from monitor.config.groups.integrations import IntegrationSettings
from monitor.config.groups.readings import ReadingSettings
from monitor.config.groups.records import RecordSettings
from monitor.config.groups.server import ServerSettings
from monitor.config.paths import LAYOUT
from monitor.config.redis_url import password_of
from monitor.http.authority import origin_of

ENV_FILES = (*LAYOUT.env_files, Path(".env"))
"""The project's own, then the current folder's, which wins. An empty value counts as not set."""

Source = Literal["environment", ".env", "admin", "default"]


class Setting(NamedTuple):
    """An effective setting. The value of a secret is never included."""

    name: str
    value: Any
    source: Source
    is_secret: bool


class Config(
    FleetSettings, AccessSettings, ServerSettings, IntegrationSettings, RecordSettings, AlertSettings, ReadingSettings
):
    """All settings. A validator sees only the values before its own field: pydantic puts those of the last class first."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=ENV_FILES, env_ignore_empty=True, extra="ignore", frozen=True, validate_default=True
    )
    _sources: dict[str, Source] = PrivateAttr(default_factory=dict)

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
        if self.redis_url is not None and (password := password_of(self.redis_url.get_secret_value())):
            secrets.append(password)
        return tuple(secrets)

    def settings_in_force(self, *, shows_internal: bool) -> list[Setting]:
        """Every setting with its value and source, for /api/config. An internal one can be hidden like a secret."""
        values = self.model_dump(mode="json")
        return [
            Setting(each.variable, None if hidden else values[each.name], self.source_of(each.name), is_secret=hidden)
            for each in declarations(type(self)).values()
            for hidden in (each.is_secret or (each.is_internal and not shows_internal),)
        ]
