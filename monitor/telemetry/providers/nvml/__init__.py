"""The `pynvml` provider: NVIDIA's own library, called through nvidia-ml-py."""

from monitor.telemetry.providers.nvml.provider import Pynvml

__all__ = ["Pynvml"]
