"""Opens what the settings name as microphone and loudspeaker, and reports lost and recovered devices to the operator.

Belongs to the engine's loop; devices report from the thread that opens them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from live.process.frames import Samples, now
from live.process.messages import Event, Fault, Note, Recovered
from live.process.unused_path import unused_path
from live.sound.audio_block import AudioBlock
from live.sound.devices.portaudio import NoPortAudio, has_host_api
from live.sound.file_microphone import FileMicrophone
from live.sound.file_speaker import FileSpeaker
from live.sound.null_devices import NullMicrophone, NullSpeaker
from live.sound.settings import SoundSettings
from live.sound.sound_file import BadSound

if TYPE_CHECKING:
    from live.sound.devices.devices import Devices

DEMO_SPEECH = Path(__file__).resolve().parent.parent / "demo" / "speech.flac"
_SOUND_SUFFIXES = {".wav", ".flac", ".ogg", ".mp3", ".m4a", ".aac", ".opus", ".mp4", ".mkv", ".mov", ".webm", ".avi"}


class AudioInput(Protocol):
    """A microphone: blocks of the settings' size at the settings' rate."""

    name: str

    @property
    def trouble(self) -> str:
        """What the operator should know about it, in one line; "" when all is well."""

    @property
    def latency_s(self) -> float:
        """From the air to `read`, without the block itself."""

    @property
    def xruns(self) -> int: ...
    @property
    def missed(self) -> int:
        """Blocks that were left out."""

    def due_in_s(self) -> float:
        """How long until `read` may have a block."""

    def read(self) -> AudioBlock | None:
        """The next block; None when there is none yet."""

    def close(self) -> None: ...


class AudioOutput(Protocol):
    """A loudspeaker: takes blocks of the settings' size at the settings' rate."""

    name: str
    trouble: str
    """What the operator should know about it, in one line; "" when all is well."""

    @property
    def latency_s(self) -> float:
        """From a block written in time to the air."""

    @property
    def xruns(self) -> int: ...
    @property
    def drift_ppm(self) -> float | None:
        """By how much the blocks come faster than it plays; None where both have one clock."""

    def buffered_s(self) -> float:
        """How long what was written will last."""

    def write(self, samples: Samples) -> None:
        """Play a block, (block, 1). Never waits."""

    def close(self) -> None: ...


class AudioIO:
    """Call `open` once; a device that is lost is reopened without further calls."""

    def __init__(self, settings: SoundSettings, send: Callable[[Event], None]) -> None:
        self._settings = settings
        self._send = send
        self._lost_at: float | None = None
        self._devices: Devices | None = None

    def open(self) -> tuple[AudioInput, AudioOutput]:
        """Raises BadSound for a bad file; a device that is not there is tried again and again."""
        settings = self._settings
        microphone: AudioInput = NullMicrophone()
        mic_device = speaker_device = ""
        if settings.mic == "demo":
            microphone = self._demo()
        elif _is_file(settings.mic):
            microphone = self._file(Path(settings.mic))
        elif settings.mic != "none":
            mic_device = settings.mic
        has_input = bool(mic_device) or not isinstance(microphone, NullMicrophone)
        to_file = settings.speaker.lower().endswith(".wav")
        if settings.speaker != "none" and has_input and not to_file:
            speaker_device = settings.speaker  # without any microphone nothing would ever be played
        if mic_device or speaker_device:
            self._open_devices(mic_device, speaker_device)
        speaker = self._paced_speaker(to_file, drifts=bool(mic_device))
        if self._devices is not None:
            from live.sound.devices.endpoints import DeviceMicrophone, DeviceSpeaker

            microphone = DeviceMicrophone(self._devices) if mic_device else microphone
            speaker = DeviceSpeaker(self._devices) if speaker_device else speaker
        return microphone, speaker

    def _paced_speaker(self, to_file: bool, drifts: bool) -> AudioOutput:
        settings = self._settings
        if not to_file:
            return NullSpeaker(settings.sample_rate, settings.set_point_s, drifts=drifts)
        lead_s = settings.block_s + settings.set_point_s
        path = self._unused(Path(settings.speaker))
        return FileSpeaker(path, settings.sample_rate, settings.set_point_s, lead_s, drifts=drifts)

    def _unused(self, path: Path) -> Path:
        """The file's name, or where it is there already the next one: after a restart of the engine, and in a show that
        is played again, nothing is written over. Raises BadSound."""
        try:
            unused = unused_path(path)
        except OSError as error:
            raise BadSound(str(error)) from None
        if unused != path:
            self._send(Note(f"{path.name} is there already: the sound goes on in {unused.name}"))
        return unused

    def _open_devices(self, mic: str, speaker: str) -> None:
        from live.sound.devices.devices import Devices

        settings = self._settings
        try:
            self._devices = Devices(
                mic,
                speaker,
                settings.sample_rate,
                settings.block,
                self._on_status,
                settings.set_point_blocks,
                settings.channel,
            )
        except NoPortAudio as error:
            self._send(Note(str(error)))

    def _demo(self) -> AudioInput:
        path = Path(self._settings.demo_speech) if self._settings.demo_speech else DEMO_SPEECH
        if not path.is_file():
            self._send(Note("there is no demo speech: the microphone is silent"))
            return NullMicrophone()
        return self._file(path)

    def _file(self, path: Path) -> AudioInput:
        settings = self._settings
        return FileMicrophone(
            path,
            settings.sample_rate,
            settings.block,
            epoch=settings.epoch,
            period_s=settings.period_s,
            channel=settings.channel,
        )

    def _on_status(self, status: str, text: str) -> None:
        """In the thread that opens the devices."""
        if status == "lost":
            self._lost_at = now() if self._lost_at is None else self._lost_at  # one side may follow the other
            self._send(Fault(now(), "sound device", text))
        elif self._lost_at is not None:
            self._send(Recovered(now(), "sound device", now() - self._lost_at))
            self._lost_at = None
        else:
            self._send(Note(f"sound: {text}"))


def _is_file(name: str) -> bool:
    """Whether this is a path rather than a device: it exists, or has the form of one."""
    if has_host_api(name):
        return False
    return Path(name).is_file() or "/" in name or "\\" in name or Path(name).suffix.lower() in _SOUND_SUFFIXES
