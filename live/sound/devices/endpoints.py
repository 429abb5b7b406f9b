"""The two sides of Devices as the engine sees them: an AudioInput and an AudioOutput. They belong to its loop."""

from __future__ import annotations

from live.process.frames import Samples
from live.sound.audio_block import AudioBlock
from live.sound.devices.devices import Devices


class DeviceMicrophone:
    """The microphone's side of Devices, as an AudioInput."""

    missed = 0

    def __init__(self, devices: Devices) -> None:
        self._devices, self._rings = devices, devices.rings
        self.name = devices.name

    @property
    def trouble(self) -> str:
        note = self._rings.mic_note
        return f"microphone: {note}" if note else ""

    @property
    def latency_s(self) -> float:
        return self._rings.mic_latency_s

    @property
    def xruns(self) -> int:
        return self._rings.mic_xruns

    def due_in_s(self) -> float:
        return self._rings.due_in_s()

    def read(self) -> AudioBlock | None:
        return self._rings.read()

    def close(self) -> None:
        self._devices.close()


class DeviceSpeaker:
    """The loudspeaker's side of Devices, as an AudioOutput."""

    trouble = ""

    def __init__(self, devices: Devices) -> None:
        self._devices, self._rings = devices, devices.rings
        self.name = devices.name

    @property
    def latency_s(self) -> float:
        return self._rings.speaker_latency_s

    @property
    def xruns(self) -> int:
        return self._rings.speaker_xruns

    @property
    def drift_ppm(self) -> float | None:
        return self._rings.drift_ppm

    def buffered_s(self) -> float:
        return self._rings.buffered_s()

    def write(self, samples: Samples) -> None:
        self._rings.write(samples)

    def close(self) -> None:
        self._devices.close()
