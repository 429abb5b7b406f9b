"""What is used of sounddevice and rtmixer, which have no types of their own."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from typing import Literal, Protocol, TypedDict

import numpy as np
from numpy.typing import NDArray

from live.process.frames import Samples

Kind = Literal["input", "output"]
"""Microphone or loudspeaker."""


class DeviceInfo(TypedDict):
    """A device, as sounddevice lists it."""

    name: str
    index: int
    hostapi: int
    max_input_channels: int
    max_output_channels: int
    default_samplerate: float


class HostApi(TypedDict):
    """One of PortAudio's ways to devices, such as ALSA."""

    name: str
    default_input_device: int
    default_output_device: int


class Defaults(Protocol):
    """sounddevice.default."""

    @property
    def device(self) -> Sequence[int]:
        """The indices of the default input and output."""


class SoundDeviceModule(Protocol):
    """The module sounddevice."""

    PortAudioError: type[Exception]
    default: Defaults

    def query_hostapis(self) -> Sequence[HostApi]: ...
    def query_devices(self) -> Iterable[DeviceInfo]: ...
    def check_input_settings(self, *, device: int) -> None: ...
    def check_output_settings(self, *, device: int) -> None: ...
    def _initialize(self) -> None: ...
    def _terminate(self) -> None: ...


class DriverStats(Protocol):
    """What a stream's callbacks were like since the statistics were last reset."""

    min_blocksize: int
    max_blocksize: int
    input_overflows: int
    input_underflows: int
    output_overflows: int
    output_underflows: int


class RtAction(Protocol):
    """Something that a stream's callback does; one of the stream's `actions` until it is done."""

    actual_time: float
    """When it was begun, by the driver's clock, s."""
    stats: DriverStats
    """Of fetch_and_reset_stats alone."""


class RtRing(Protocol):
    """rtmixer.RingBuffer; its elements are a sample of every channel."""

    @property
    def read_available(self) -> int: ...
    def read(self, size: int) -> bytes: ...
    def write(self, data: Samples) -> int: ...
    def advance_read_index(self, size: int) -> int: ...


class RtStream(Protocol):
    """A stream of rtmixer; one that only records cannot play, and the other way round."""

    @property
    def active(self) -> bool: ...
    @property
    def latency(self) -> float | Sequence[float]:
        """As PortAudio states it, s; for both ends, input and output."""

    @property
    def actions(self) -> Container[RtAction]: ...
    def start(self) -> None: ...
    def abort(self) -> None: ...
    def close(self) -> None: ...
    def fetch_and_reset_stats(self) -> RtAction: ...
    def record_buffer(self, buffer: bytearray, channels: int) -> RtAction: ...
    def play_buffer(self, buffer: NDArray[np.float32], channels: int) -> RtAction: ...
    def record_ringbuffer(self, ringbuffer: RtRing) -> RtAction: ...
    def play_ringbuffer(self, ringbuffer: RtRing) -> RtAction: ...


class RtMixerModule(Protocol):
    """The module rtmixer. A stream for both ends takes pairs: of the input, of the output."""

    def RingBuffer(self, elementsize: int, size: int) -> RtRing: ...
    def Recorder(self, *, device: int, channels: int, samplerate: float, blocksize: int, latency: str) -> RtStream: ...
    def Mixer(self, *, device: int, channels: int, samplerate: float, blocksize: int, latency: str) -> RtStream: ...
    def MixerAndRecorder(
        self,
        *,
        device: tuple[int, int],
        channels: tuple[int, int],
        samplerate: float,
        blocksize: int,
        latency: str,
    ) -> RtStream: ...
