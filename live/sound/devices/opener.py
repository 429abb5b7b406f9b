"""Opens streams: one for both ends where one device has both, else one each; at the rates and channels it can have.

Belongs to the thread that opens devices.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from live.sound.devices.portaudio import NoDevice, describe, explain, find_device
from live.sound.devices.rtmixer_types import DeviceInfo, Kind, RtMixerModule, RtStream, SoundDeviceModule
from live.sound.devices.stream import DeviceStream
from live.sound.devices.stream_end import StreamEnd
from models.features.media.mixdown import Channel


class _Format(NamedTuple):
    """What a stream is asked for."""

    rate: float
    ins: int
    outs: int


class StreamOpener:
    """Opens what it is asked for at a given rate, for blocks of a given length."""

    def __init__(
        self,
        sounddevice: SoundDeviceModule,
        rtmixer: RtMixerModule,
        sample_rate: int,
        block: int,
        channel: Channel = "auto",
    ) -> None:
        """channel: of the microphone, which must be among those that are opened."""
        self._sounddevice, self._rtmixer = sounddevice, rtmixer
        self._sample_rate, self._block, self._channel = sample_rate, block, channel

    def initialise_again(self) -> None:
        """Let PortAudio look for the devices there are now. All streams must be closed."""
        self._sounddevice._terminate()
        self._sounddevice._initialize()

    def open(self, wanted: Mapping[Kind, str], on_refused: Callable[[Kind, str], None]) -> dict[Kind, StreamEnd]:
        """Open these devices, by name; calls `on_refused` with the reason for one that cannot be had. Raises what
        PortAudio raises besides."""
        ends: dict[Kind, StreamEnd] = {}
        found: dict[Kind, DeviceInfo] = {}
        for kind, name in wanted.items():
            try:
                found[kind] = find_device(self._sounddevice, name, kind)
            except NoDevice as error:
                on_refused(kind, str(error))
        if len(found) == 2 and found["input"]["index"] == found["output"]["index"]:
            with contextlib.suppress(NoDevice, self._sounddevice.PortAudioError):
                ends.update(self._open_both(found["input"]))
        for kind, device in found.items():
            if kind not in ends:
                try:
                    ends[kind] = self._open_one(kind, device, wanted[kind])
                except NoDevice as error:
                    on_refused(kind, str(error))
        return ends

    def _open_both(self, device: DeviceInfo) -> dict[Kind, StreamEnd]:
        """One stream, one clock. Raises NoDevice, PortAudioError."""
        for wanted in self._formats(device):
            with contextlib.suppress(self._sounddevice.PortAudioError):
                stream = DeviceStream(
                    self._rtmixer.MixerAndRecorder(
                        device=(device["index"], device["index"]),
                        channels=(wanted.ins, wanted.outs),
                        samplerate=wanted.rate,
                        blocksize=0,
                        latency="low",
                    )
                )
                survey = stream.start(True, True)
                most = output_step = survey.most_samples
                if survey.least_samples == most and wanted.rate == self._sample_rate:
                    # Callbacks of one size leave no more over from a block than their greatest common divisor allows.
                    output_step = most - math.gcd(most, self._block)
                return {
                    "input": StreamEnd(self._rtmixer, stream, wanted.ins, wanted.rate, most, survey.input_latency_s),
                    "output": StreamEnd(
                        self._rtmixer, stream, wanted.outs, wanted.rate, output_step, survey.output_latency_s
                    ),
                }
        raise NoDevice("no stream for both")

    def _open_one(self, kind: Kind, device: DeviceInfo, name: str) -> StreamEnd:
        """Raises NoDevice; the message says what is wrong and what to do."""
        recorded = kind == "input"
        first: Exception | None = None
        for wanted in self._formats(device):
            channels = wanted.ins if recorded else wanted.outs
            try:
                stream = DeviceStream(self._make(kind, device["index"], channels, wanted.rate))
                survey = stream.start(recorded, not recorded)
            except (NoDevice, self._sounddevice.PortAudioError) as error:
                first = first or error
                continue
            latency_s = survey.input_latency_s if recorded else survey.output_latency_s
            return StreamEnd(self._rtmixer, stream, channels, wanted.rate, survey.most_samples, latency_s)
        why = "it is not there" if first is None else explain(first)
        raise NoDevice(f"{describe(kind, name)} cannot be opened: {why}")

    def _make(self, kind: Kind, device: int, channels: int, rate: float) -> RtStream:
        make = self._rtmixer.Recorder if kind == "input" else self._rtmixer.Mixer
        return make(device=device, channels=channels, samplerate=rate, blocksize=0, latency="low")

    def _formats(self, device: DeviceInfo) -> Iterator[_Format]:
        """The engine's rate, then the device's; few channels, then all."""
        ins, outs = int(device["max_input_channels"]), int(device["max_output_channels"])
        for rate in dict.fromkeys((float(self._sample_rate), float(device["default_samplerate"]))):
            for i, o in dict.fromkeys(((1, min(2, outs)), (min(2, ins), 1), (ins, outs))):
                yield _Format(rate, max(i, self._least_ins(ins)), o)

    def _least_ins(self, ins: int) -> int:
        """What a device mixes of its channels by itself is none of them."""
        if self._channel == "auto":
            return 0
        return ins if self._channel == "sum" else min(max(self._channel, 2), ins)
