"""The settings of a fleet: of the hub, and of an agent, which has them in its own environment."""

from __future__ import annotations

from functools import partial

from pydantic import SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings

from monitor.config.declarations import setting
from monitor.config.values import AbsolutePath, HubUrl, RedisUrl

fleet = partial(setting, group="Fleet")


class FleetSettings(BaseSettings):
    """A part of Config (monitor/config/model.py)."""

    agent_interval_ms: int | None = fleet(
        None,
        "On a hub: the shortest time between two readings of an agent, in milliseconds, where the network is thin.",
        default_text="as each agent's `GPU_MONITOR_POLL_INTERVAL_MS` says",
        ge=100,
        le=60_000,
    )
    redis_url: RedisUrl | None = fleet(
        None,
        "On a hub of several processes: the Redis server between them, such as `redis://gpumon:password@redis.example.com/0`.",
        default_text="the hub is one process",
    )
    hub: HubUrl | None = fleet(
        None,
        "For `gpumon agent`: the URL of the hub, such as `https://gpus.example.org`.",
        is_internal=True,
    )
    hub_code: SecretStr | None = fleet(
        None, "For `gpumon agent`: the one-time code with which this host joins the hub."
    )
    hub_code_file: AbsolutePath | None = fleet(None, "A file with that code, for container secrets.", is_internal=True)

    @field_validator("redis_url")
    @classmethod
    def _processes_share_more(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        """A database, and the key that signs sessions."""
        for name in ("database_url", "secret_key"):
            if value is not None and name in info.data and info.data[name] is None:
                raise ValueError(
                    f"used together with GPU_MONITOR_{name.upper()}, because the processes of a hub share one database and one "
                    "secret key"
                )
        return value
