"""Real microphones and loudspeakers through PortAudio. rtmixer's C callback moves samples between rings and
the device: no Python runs in the audio thread.

`Devices` belongs to the engine's loop, which never waits: a thread of its own opens the streams, finds out
what is gone, and looks for it again, by name, at least every 3 s. PortAudio knows only the devices that were
there when it was initialised, so looking again closes both sides; one of them is silent by then anyway.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from live.frames import Samples, now

RETRY_S = 2.0
SILENT_S = 2.5
"""A stream that moved no sample for this long is gone. Sound servers on a busy machine pause for up to 2 s."""
SET_POINT_BLOCKS = 2
"""Silence in the loudspeaker's ring when it begins: what the loop may be late."""
_RING_SAMPLES = 1 << 15
_FADE_S = 0.005


class NoPortAudio(Exception):
    """The library is not there; the message says what to install."""


def load_portaudio() -> tuple[Any, Any]:
    """sounddevice and rtmixer. Importing them starts PortAudio, so it is done here and never in the fork
    server."""
    try:
        import rtmixer
        import sounddevice
    except (OSError, ImportError) as error:
        raise NoPortAudio(
            "no PortAudio library, so no live sound; install it (Debian and Ubuntu: apt install libportaudio2)"
            if isinstance(error, OSError)
            else f"no live sound: {error}"
        ) from None
    return sounddevice, rtmixer


class _Side:
    """One ring and the action that moves it."""

    def __init__(self, rtmixer: Any, channels: int) -> None:
        self.channels = channels
        self.ring = rtmixer.RingBuffer(4 * channels, _RING_SAMPLES)
        self.action: Any = None
        self.moved_at = now()
        self.seen = 0


class Devices:
    """A microphone, a loudspeaker, or both. Either may be "" for none."""

    def __init__(self, mic: str, speaker: str, sample_rate: int, block: int, say: Callable[[str, str], None]) -> None:
        """
        Args:
            mic, speaker: a device's index, name, part of a name, `default`, or "".
            say: told ("lost" or "open", what), in the opening thread.

        Raises:
            NoPortAudio
        """
        self._sounddevice, self._rtmixer = load_portaudio()
        self._mic_name, self._speaker_name = mic, speaker
        self._sample_rate, self._block = sample_rate, block
        self._say = say
        self._guard = threading.Lock()
        self._streams: list[Any] = []
        self._in: _Side | None = None
        self._out: _Side | None = None
        self._fade_in = True
        self._xruns = 0
        self._asked: dict[Any, Any] = {}
        self._latency_s = 0.0
        self._closing = threading.Event()
        self._lost = threading.Event()
        self._thread = threading.Thread(target=self._keep_open, name="sound devices", daemon=True)
        self._thread.start()

    # ---- the engine's loop

    @property
    def name(self) -> str:
        return " -> ".join(name for name in (self._mic_name, self._speaker_name) if name)

    @property
    def open(self) -> bool:
        return bool(self._streams)

    @property
    def latency_s(self) -> float:
        """From the air to the ring and from the ring to the air: PortAudio's figures and the ring's set
        point."""
        return self._latency_s

    @property
    def xruns(self) -> int:
        return self._xruns

    def due_in_s(self) -> float:
        """How long until a block of the microphone's may be whole."""
        side = self._in
        if side is None:
            return 0.05
        missing = self._block - side.ring.read_available
        return min(max(missing / self._sample_rate, 0.001), 0.05) if missing > 0 else 0.0

    def read(self) -> tuple[Samples, float] | None:
        """The next block of the microphone, (block, 1), and when its first sample was in the air, or None."""
        with self._guard:
            side = self._in
            if side is None or side.ring.read_available < self._block:
                return None
            behind = side.ring.read_available
            raw = side.ring.read(self._block)
        samples = np.frombuffer(raw, np.float32).reshape(-1, side.channels)
        return np.mean(samples, axis=1, keepdims=True, dtype=np.float32), now() - behind / self._sample_rate

    def write(self, samples: Samples) -> None:
        """Play a block, (block, 1). A full ring (a loudspeaker slower than the microphone) loses it and
        counts it."""
        with self._guard:
            side = self._out
            if side is None:
                return
            self._rearm(side)
            if side.ring.write_available < len(samples):
                self._xruns += 1
                return
            if self._fade_in:
                ramp = np.linspace(0.0, 1.0, min(int(_FADE_S * self._sample_rate), len(samples)), dtype=np.float32)
                samples = samples.copy()
                samples[: len(ramp)] *= ramp[:, None]
                self._fade_in = False
            side.ring.write(np.ascontiguousarray(np.repeat(samples, side.channels, axis=1)))

    def watch(self) -> None:
        """Four times a second: has a stream stopped moving? Are both actions still at work?"""
        with self._guard:
            for side, newest in ((self._in, True), (self._out, False)):
                if side is None:
                    continue
                level = side.ring.read_available
                if level != side.seen or (not newest and level == 0):
                    side.seen, side.moved_at = level, now()
                elif now() - side.moved_at > SILENT_S:
                    self._lost.set()
            for stream in self._streams:
                if not stream.active:
                    self._lost.set()
                self._count_driver_xruns(stream)
            if self._in is not None and self._in.action not in self._streams[0].actions:
                self._xruns += 1  # the ring ran full: nobody read
                self._in.ring.advance_read_index(self._in.ring.read_available)
                self._in.action = self._streams[0].record_ringbuffer(self._in.ring)

    def _count_driver_xruns(self, stream: Any) -> None:
        """What the driver says it lost: rtmixer's callback counts the flags, an action brings them here."""
        asked = self._asked.get(stream)
        if asked is not None and asked in stream.actions:
            return
        if asked is not None:
            self._xruns += int(asked.stats.input_overflows + asked.stats.output_underflows)
        self._asked[stream] = stream.fetch_and_reset_stats()

    def close(self) -> None:
        self._closing.set()
        self._lost.set()
        self._thread.join(5.0)

    def _rearm(self, side: _Side) -> None:
        """rtmixer drops its action when the ring runs dry: fill it to the set point and begin anew, fading
        in."""
        stream = self._streams[-1]
        if side.action is not None and side.action in stream.actions:
            return
        if side.action is not None:
            self._xruns += 1
        missing = SET_POINT_BLOCKS * self._block - side.ring.read_available
        if missing > 0:
            side.ring.write(np.zeros((missing, side.channels), np.float32))
        side.action = stream.play_ringbuffer(side.ring)
        self._fade_in = True

    # ---- the opening thread

    def _keep_open(self) -> None:
        told = False
        again = False
        while not self._closing.is_set():
            try:
                self._open(again)
                self._say("open", self.name)
                told = False
                self._lost.wait()
                self._lost.clear()
            except Exception as error:  # PortAudio raises many kinds; all mean that it is not to be had now
                if not told and not self._closing.is_set():
                    self._say("lost", " ".join(str(error).split()) or type(error).__name__)
                    told = True
            else:
                if not self._closing.is_set():
                    self._say("lost", f"{self.name} stopped")
                    told = True
            self._shut()
            again = True
            self._closing.wait(RETRY_S)

    def _open(self, again: bool) -> None:
        sd, rtmixer = self._sounddevice, self._rtmixer
        if again:
            sd._terminate()
            sd._initialize()
        mic = self._find(self._mic_name, "input")
        speaker = self._find(self._speaker_name, "output")
        shared = {"samplerate": self._sample_rate, "blocksize": 0, "latency": "low"}
        inside = None if mic is None else _Side(rtmixer, 1)
        outside = None if speaker is None else _Side(rtmixer, min(2, int(speaker["max_output_channels"])))
        streams: list[Any] = []
        if inside and outside and mic["hostapi"] == speaker["hostapi"]:
            pair = (mic["index"], speaker["index"])
            with contextlib.suppress(sd.PortAudioError):
                streams = [rtmixer.MixerAndRecorder(device=pair, channels=(1, outside.channels), **shared)]
        if not streams:
            if inside:
                streams.append(rtmixer.Recorder(device=mic["index"], channels=1, **shared))
            if outside:
                streams.append(rtmixer.Mixer(device=speaker["index"], channels=outside.channels, **shared))
        latency_s = 0.0 if outside is None else SET_POINT_BLOCKS * self._block / self._sample_rate
        for stream in streams:
            stream.start()
            latency_s += float(np.sum(stream.latency))
        with self._guard:
            if inside is not None:
                inside.action = streams[0].record_ringbuffer(inside.ring)
            self._streams, self._in, self._out = streams, inside, outside
            self._latency_s = latency_s

    def _find(self, name: str, kind: str) -> Any:
        """The device of this name now, or None when none is wanted. Raises ValueError, with what there is."""
        if not name:
            return None
        devices = self._sounddevice.query_devices()
        channels = f"max_{kind}_channels"
        if name == "default":
            index = self._sounddevice.default.device[kind == "output"]
            if index is None or index < 0:
                raise ValueError(f"there is no sound {kind} on this machine")
            return devices[index]
        usable = [device for device in devices if device[channels] > 0]
        if name.isdigit():
            found = [device for device in usable if device["index"] == int(name)]
        else:
            found = [device for device in usable if device["name"] == name]
            found = found or [device for device in usable if name.lower() in device["name"].lower()]
        if not found:
            listed = ", ".join(device["name"] for device in usable) or "none"
            raise ValueError(f'no sound {kind} "{name}"; there are: {listed}')
        return found[0]

    def _shut(self) -> None:
        with self._guard:
            streams, self._streams = self._streams, []
            self._asked.clear()
            self._in = self._out = None
        for stream in streams:
            with contextlib.suppress(Exception):  # a device that is gone cannot be closed in order
                stream.abort()
            with contextlib.suppress(Exception):
                stream.close()


class DeviceMicrophone:
    """The microphone's side of Devices, as the engine sees any microphone."""

    missed = 0
    trouble = ""

    def __init__(self, devices: Devices) -> None:
        self._devices = devices
        self.name = devices.name

    @property
    def latency_s(self) -> float:
        return 0.0  # counted once, with the loudspeaker or by the engine

    @property
    def xruns(self) -> int:
        return self._devices.xruns

    def due_in_s(self) -> float:
        return self._devices.due_in_s()

    def read(self) -> tuple[Samples, float] | None:
        return self._devices.read()

    def close(self) -> None:
        self._devices.close()


class DeviceSpeaker:
    """The loudspeaker's side of Devices, as the engine sees any loudspeaker."""

    xruns = 0
    trouble = ""

    def __init__(self, devices: Devices) -> None:
        self._devices = devices
        self.name = devices.name

    @property
    def latency_s(self) -> float:
        return self._devices.latency_s

    def write(self, samples: Samples) -> None:
        self._devices.write(samples)

    def close(self) -> None:
        self._devices.close()
