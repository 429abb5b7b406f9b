"""Opens what the settings name as microphone and loudspeaker, and tells the operator about it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from live.process.frames import Samples, now
from live.process.messages import Event, Fault, Note, Recovered
from live.sound.files import FileMicrophone, FileSpeaker, NoMicrophone, NoSpeaker
from live.sound.portaudio import NoPortAudio, names_a_host
from live.sound.settings import SoundSettings

DEMO_SPEECH = Path(__file__).resolve().parent.parent / "demo" / "speech.flac"
_SOUND_SUFFIXES = {".wav", ".flac", ".ogg", ".mp3", ".m4a", ".aac", ".opus", ".mp4", ".mkv", ".mov", ".webm", ".avi"}


class AudioInput(Protocol):
    """Blocks of the settings' size at the settings' rate."""

    name: str
    trouble: str

    @property
    def latency_s(self) -> float: ...
    @property
    def xruns(self) -> int: ...
    @property
    def missed(self) -> int: ...
    def due_in_s(self) -> float: ...
    def read(self) -> tuple[Samples, float] | None: ...
    def close(self) -> None: ...


class AudioOutput(Protocol):
    name: str
    trouble: str

    @property
    def latency_s(self) -> float: ...
    @property
    def xruns(self) -> int: ...
    @property
    def drift_ppm(self) -> float | None: ...
    def in_hand_s(self) -> float: ...
    def write(self, samples: Samples) -> None: ...
    def close(self) -> None: ...


class AudioIO:
    """`open` them once; devices look after themselves."""

    def __init__(self, settings: SoundSettings, send: Callable[[Event], None]) -> None:
        self._settings = settings
        self._send = send
        self._lost_at: float | None = None
        self._devices: Any = None

    def open(self) -> tuple[AudioInput, AudioOutput]:
        """Raises BadSound for a bad file; a device that is not there is looked for again and again."""
        settings = self._settings
        microphone: AudioInput = NoMicrophone()
        mic_device = speaker_device = ""
        if settings.mic == "demo":
            microphone = self._demo()
        elif _is_file(settings.mic):
            microphone = self._file(Path(settings.mic))
        elif settings.mic != "none":
            mic_device = settings.mic
        heard = bool(mic_device) or not isinstance(microphone, NoMicrophone)
        to_file = settings.speaker.lower().endswith(".wav")
        if settings.speaker != "none" and heard and not to_file:
            speaker_device = settings.speaker  # with no microphone at all nothing would ever be played
        if mic_device or speaker_device:
            self._open_devices(mic_device, speaker_device)
        speaker: AudioOutput = NoSpeaker(settings.sample_rate, settings.set_point_s, drifts=bool(mic_device))
        if to_file:
            lead_s = settings.block_s + settings.set_point_s
            speaker = FileSpeaker(
                Path(settings.speaker), settings.sample_rate, settings.set_point_s, lead_s, drifts=bool(mic_device)
            )
        if self._devices is not None:
            from live.sound.device import DeviceMicrophone, DeviceSpeaker

            microphone = DeviceMicrophone(self._devices) if mic_device else microphone
            speaker = DeviceSpeaker(self._devices) if speaker_device else speaker
        return microphone, speaker

    def _open_devices(self, mic: str, speaker: str) -> None:
        from live.sound.device import Devices

        settings = self._settings
        try:
            self._devices = Devices(
                mic, speaker, settings.sample_rate, settings.block, self._say, settings.set_point_blocks
            )
        except NoPortAudio as error:
            self._send(Note(str(error)))

    def _demo(self) -> AudioInput:
        path = Path(self._settings.demo_speech) if self._settings.demo_speech else DEMO_SPEECH
        if not path.is_file():
            self._send(Note("there is no demo speech: the microphone is silent"))
            return NoMicrophone()
        return self._file(path)

    def _file(self, path: Path) -> AudioInput:
        settings = self._settings
        return FileMicrophone(
            path, settings.sample_rate, settings.block, epoch=settings.epoch, period_s=settings.period_s
        )

    def _say(self, what: str, text: str) -> None:
        """In the thread that opens the devices."""
        if what == "lost":
            self._lost_at = now() if self._lost_at is None else self._lost_at  # one side may follow the other
            self._send(Fault(now(), "sound device", text))
        elif self._lost_at is not None:
            self._send(Recovered(now(), "sound device", now() - self._lost_at))
            self._lost_at = None
        else:
            self._send(Note(f"sound: {text}"))


def _is_file(name: str) -> bool:
    """A path rather than a device: it exists, or looks like one."""
    if names_a_host(name):
        return False
    return Path(name).is_file() or "/" in name or "\\" in name or Path(name).suffix.lower() in _SOUND_SUFFIXES
