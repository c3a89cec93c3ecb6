"""What is in Redis, and the connection to it.

    gpumon:newest:HOST   Newest: the newest snapshot
    gpumon:news:HOST     HostNews
    gpumon:agent:HOST    Agent: exists while the host's agent is connected to a process that runs
    gpumon:engine:SHARD  EngineNews: exists while an engine judges and records the hosts of this shard

Every value is MessagePack and every key expires.
"""

from __future__ import annotations

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

PREFIX = "gpumon:"
KEPT_SECONDS = 3600.0
"""How long snapshot and news of a silent host are kept."""
AGENT_SECONDS = 12.0
"""How long a process that has died holds its agents' connections."""
ANSWER_SECONDS = 2.0
"""Redis answers in milliseconds. One that hangs holds up nothing but the bus's own thread."""


def engine_key(shard: int) -> str:
    return f"{PREFIX}engine:{shard}"


def newest_key(host_id: str) -> str:
    return f"{PREFIX}newest:{host_id}"


def news_key(host_id: str) -> str:
    return f"{PREFIX}news:{host_id}"


def agent_key(host_id: str) -> str:
    return f"{PREFIX}agent:{host_id}"


def client_of(url: str) -> Redis:
    """Not yet connected. A command that fails is not repeated: the next tick does that."""
    client: Redis = Redis.from_url(
        url,
        protocol=2,
        socket_timeout=ANSWER_SECONDS,
        socket_connect_timeout=ANSWER_SECONDS,
        retry=Retry(NoBackoff(), 0),
        client_name="gpumon",
    )
    return client


def reason_of(error: Exception) -> str:
    """Why Redis cannot be used, without its address."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, TimeoutError):
            return "it does not answer"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return f"{error}".split(" connecting to ")[0] or type(error).__name__
