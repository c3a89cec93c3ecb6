"""The settings of a fleet: of the hub, and of an agent, which has them in its own environment."""

from __future__ import annotations

from functools import partial

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from monitor.config.declarations import setting
from monitor.config.values import AbsolutePath, HubUrl

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
    hub: HubUrl | None = fleet(
        None,
        "For `gpumon agent`: the URL of the hub, such as `https://gpus.example.org`.",
        is_internal=True,
    )
    hub_code: SecretStr | None = fleet(
        None, "For `gpumon agent`: the one-time code with which this host joins the hub."
    )
    hub_code_file: AbsolutePath | None = fleet(None, "A file with that code, for container secrets.", is_internal=True)
