"""Encodes readings. A value that cannot be sent, which a provider should have caught, costs its GPU's readings and no others."""

from __future__ import annotations

import logging

import msgspec

from monitor.telemetry.providers.base import GPU_METRICS, explain
from monitor.telemetry.sampler import wire
from monitor.telemetry.sampler.own_error import own_error
from monitor.telemetry.schema import Gpu, Reading

log = logging.getLogger(__name__)

_UNSENDABLE = (OverflowError, ValueError, TypeError, msgspec.ValidationError)
"""Integers beyond 64 bits, texts that are not Unicode, values of a wrong type or outside the schema's bounds."""


class ReadingEncoder:
    """Remembers what it has logged, because such a value usually stays."""

    def __init__(self) -> None:
        self._logged: set[str] = set()

    def encode(self, reading: Reading) -> bytes:
        """The reading as the supervisor accepts it. Raises what encoding raised if no GPU is the cause."""
        try:
            return _verified(reading)
        except _UNSENDABLE:
            gpus = tuple([self._sendable(gpu) for gpu in reading.gpus])
            if all(after is before for after, before in zip(gpus, reading.gpus, strict=True)):
                raise
            return _verified(msgspec.structs.replace(reading, gpus=gpus))

    def _sendable(self, gpu: Gpu) -> Gpu:
        try:
            _verified(Reading(sampled_at=0.0, gpus=(gpu,)))
        except _UNSENDABLE as error:
            reason = own_error(error)
            if reason not in self._logged:
                self._logged.add(reason)
                log.exception("GPU %d is sent without its readings", gpu.index)
            unavailable = explain({}, GPU_METRICS, {}, reason)
            return Gpu(index=gpu.index, uuid=gpu.uuid, name=gpu.name, unavailable=unavailable)
        return gpu


def _verified(reading: Reading) -> bytes:
    message = wire.encode(reading)
    wire.verify(message)
    return message
