"""The `nvidia_smi` provider: the driver's own program, read as a stream of XML."""

from monitor.telemetry.providers.nvidia_smi.provider import NvidiaSmi

__all__ = ["NvidiaSmi"]
