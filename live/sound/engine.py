"""The sound engine: microphone, the voice of the cue, loudspeaker, block by block.

Lives in a process of its own (`main`), or in a test with files and a manual clock. For now the voices are the
dry signal and silence; gain, mute, panic and counters are true. The loop never waits for a device or a disk;
with neither microphone nor loudspeaker it sleeps.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from live.engine_process import EngineLink
from live.figures import Times
from live.frames import Samples, now
from live.messages import (
    Command,
    Event,
    Fault,
    Finished,
    Forget,
    Go,
    Heartbeat,
    Note,
    OnStage,
    Panic,
    Prepare,
    Recovered,
    Reload,
    SetParameter,
    Stop,
)
from live.show import VOICE_PRESETS
from live.slot import Slot
from live.sound.files import BadSound, FileMicrophone, FileSpeaker, NoMicrophone, NoSpeaker
from live.sound.settings import SoundSettings

HEARTBEAT_S = 0.25
_SHORTEST_FADE_S = 0.005
DEMO_SPEECH = Path(__file__).resolve().parent.parent / "demo" / "speech.flac"


class Microphone(Protocol):
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


class Speaker(Protocol):
    name: str
    trouble: str

    @property
    def latency_s(self) -> float: ...
    @property
    def xruns(self) -> int: ...
    def write(self, samples: Samples) -> None: ...
    def close(self) -> None: ...


class SoundEngine:
    """One step a block. Everything here belongs to one thread."""

    def __init__(
        self,
        settings: SoundSettings,
        microphone: Microphone,
        speaker: Speaker,
        send: Callable[[Event], None] = lambda event: None,
        clock: Callable[[], float] = now,
    ) -> None:
        self._settings = settings
        self._microphone = microphone
        self._speaker = speaker
        self._send = send
        self._clock = clock
        self._slot: Slot[float] = Slot(_load_voice, "voice")
        self._level = 0.0
        self._fade_left = 0
        self._gain = 1.0
        self._mute = False
        self._panic = False
        self._pending: Go | None = None
        self._compute = Times()
        self._computed_s = 0.0
        self._blocks = 0
        self._deadline_misses = 0
        self._in_peak = self._out_peak = 0.0
        self._in_rms = self._out_rms = 0.0
        self._said = ""

    def step(self) -> bool:
        """Handle one block, if the microphone has one. Never waits."""
        taken = self._microphone.read()
        if taken is None:
            return False
        samples, captured_at = taken
        began_at = self._clock()
        played = samples * self._ramp(len(samples))
        self._speaker.write(played)
        self._meter(samples, played)
        ended_at = self._clock()
        self._compute.add(ended_at - began_at)
        self._computed_s += ended_at - began_at
        self._blocks += 1
        if ended_at - captured_at > 2 * self._settings.block_s + self._microphone.latency_s:
            self._deadline_misses += 1  # the next block was whole before this one was out
        if self._pending is not None:
            self._on_stage()
        return True

    def idle(self) -> None:
        """Where there is no block to wait for, a cue is on stage at once."""
        if self._pending is not None and isinstance(self._microphone, NoMicrophone):
            self._on_stage()

    def due_in_s(self) -> float:
        """How long the loop may sleep: until the next block, or until the loader can have an answer."""
        return min(self._microphone.due_in_s(), 0.01 if self._slot.busy else HEARTBEAT_S)

    def handle(self, command: Command) -> None:
        if isinstance(command, Prepare):
            self._slot.prepare(command.key)
        elif isinstance(command, Forget):
            self._slot.forget(command.model)
        elif isinstance(command, Go):
            self._slot.go(command.model)
            self._pending = command
            for name, value in command.set.items():
                self._set(name, value)
            self._fade(command.transition_s)
        elif isinstance(command, Panic):
            self._panic = command.on
            self._fade(0.0)
        elif isinstance(command, SetParameter):
            self._set(command.name, command.value)
        elif isinstance(command, Reload):
            pass  # what it says concerns voices that can be late

    def tell(self) -> None:
        """Send what the loader has finished, and what a file had to say."""
        for news in self._slot.news():
            self._send(news)
        trouble = self._microphone.trouble or self._speaker.trouble
        if trouble and trouble != self._said:
            self._said = trouble
            self._send(Note(trouble))

    def figures(self) -> dict[str, Any]:
        """For the screen; ms, levels of full scale 1 since the last call."""
        figures = {
            "microphone": self._microphone.name,
            "speaker": self._speaker.name,
            "voice": self._slot.current_key,
            "sample_rate": self._settings.sample_rate,
            "block": self._settings.block,
            "latency": self.latency_ms,
            "blocks": self._blocks,
            "xruns": self._microphone.xruns + self._speaker.xruns,
            "deadline_misses": self._misses(),
            "compute": self._compute.recent(),
            "rtf": self._rtf(),
            "in_peak": self._in_peak,
            "in_rms": self._in_rms,
            "out_peak": self._out_peak,
            "out_rms": self._out_rms,
            "mute": self._mute,
            "panic": self._panic,
        }
        self._in_peak = self._out_peak = 0.0
        return figures

    @property
    def latency_ms(self) -> float | None:
        """From the first sample of a block in the air to the same sample played: the block itself, and the
        devices."""
        if isinstance(self._microphone, NoMicrophone):
            return None
        return round(1e3 * (self._settings.block_s + self._microphone.latency_s + self._speaker.latency_s), 2)

    def report(self) -> dict[str, Any]:
        """The "audio" part of the report."""
        silent = isinstance(self._microphone, NoMicrophone)
        return {
            "audio": {
                "sample_rate": self._settings.sample_rate,
                "block": self._settings.block,
                "latency": self.latency_ms,
                "rtf": None if silent else self._rtf(),
                "xruns": self._microphone.xruns + self._speaker.xruns,
                "deadline_misses": self._misses(),
                "compute": self._compute.whole(),
                "blocks": self._blocks,
            }
        }

    def close(self) -> None:
        self._microphone.close()
        self._speaker.close()
        self._slot.close()

    def _misses(self) -> int:
        return self._deadline_misses + self._microphone.missed

    def _rtf(self) -> float | None:
        """Time spent over time played."""
        return round(self._computed_s / (self._blocks * self._settings.block_s), 5) if self._blocks else None

    def _set(self, name: str, value: float) -> None:
        if name == "sound/gain":
            self._gain = float(10 ** (min(value, 24.0) / 20))
            self._fade(0.0)
        elif name == "sound/mute":
            self._mute = value != 0
            self._fade(0.0)
        else:
            self._send(Note(f'the sound has no parameter "{name}"'))

    def _wanted(self) -> float:
        voice = self._slot.current
        return 0.0 if self._panic or self._mute or voice is None else voice * self._gain

    def _fade(self, transition_s: float) -> None:
        self._fade_left = max(round(max(transition_s, _SHORTEST_FADE_S) * self._settings.sample_rate), 1)

    def _ramp(self, count: int) -> Samples:
        """The level of each sample, (count, 1): a straight line to what is wanted, so that nothing clicks."""
        wanted = self._wanted()
        if self._fade_left <= 0 or self._level == wanted:
            self._level, self._fade_left = wanted, 0
            return np.full((count, 1), wanted, np.float32)
        steps = np.minimum(np.arange(1, count + 1), self._fade_left)
        levels = self._level + (wanted - self._level) * steps / self._fade_left
        self._level = float(levels[-1])
        self._fade_left = max(self._fade_left - count, 0)
        return levels.astype(np.float32).reshape(-1, 1)

    def _meter(self, heard: Samples, played: Samples) -> None:
        self._in_peak = max(self._in_peak, float(np.abs(heard).max(initial=0.0)))
        self._out_peak = max(self._out_peak, float(np.abs(played).max(initial=0.0)))
        self._in_rms = float(np.sqrt(np.mean(np.square(heard))))
        self._out_rms = float(np.sqrt(np.mean(np.square(played))))

    def _on_stage(self) -> None:
        assert self._pending is not None
        self._send(OnStage(self._pending.cue_index, self._clock()))
        self._pending = None


def _load_voice(key: str) -> float:
    """A voice is, for now, the level of the dry signal."""
    if key not in VOICE_PRESETS:
        raise ValueError(f"{Path(key).name}: this version has the voices {' and '.join(VOICE_PRESETS)} only")
    return 0.0 if key == "silence" else 1.0


class _Doors:
    """Opens what the settings name, and tells the operator about it."""

    def __init__(self, settings: SoundSettings, send: Callable[[Event], None]) -> None:
        self._settings = settings
        self._send = send
        self._lost_at: float | None = None
        self.devices: Any = None

    def open(self) -> tuple[Microphone, Speaker]:
        """Raises BadSound for a bad file."""
        settings = self._settings
        microphone: Microphone = NoMicrophone()
        speaker: Speaker = NoSpeaker()
        mic_device, speaker_device = "", ""
        if settings.mic == "demo":
            microphone = self._demo()
        elif _is_file(settings.mic):
            microphone = FileMicrophone(Path(settings.mic), settings.sample_rate, settings.block)
        elif settings.mic != "none":
            mic_device = settings.mic
        if settings.speaker.lower().endswith(".wav"):
            speaker = FileSpeaker(Path(settings.speaker), settings.sample_rate)
        elif settings.speaker != "none" and (mic_device or not isinstance(microphone, NoMicrophone)):
            speaker_device = settings.speaker  # with no microphone at all nothing would ever be played
        if mic_device or speaker_device:
            self._open_devices(mic_device, speaker_device)
            if self.devices is not None:
                from live.sound.device import DeviceMicrophone, DeviceSpeaker

                microphone = DeviceMicrophone(self.devices) if mic_device else microphone
                speaker = DeviceSpeaker(self.devices) if speaker_device else speaker
        return microphone, speaker

    def _open_devices(self, mic: str, speaker: str) -> None:
        from live.sound.device import Devices, NoPortAudio

        try:
            self.devices = Devices(mic, speaker, self._settings.sample_rate, self._settings.block, self._say)
        except NoPortAudio as error:
            self._send(Note(str(error)))

    def _demo(self) -> Microphone:
        path = Path(self._settings.demo_speech) if self._settings.demo_speech else DEMO_SPEECH
        if not path.is_file():
            self._send(Note("there is no demo speech: the microphone is silent"))
            return NoMicrophone()
        return FileMicrophone(path, self._settings.sample_rate, self._settings.block)

    def _say(self, what: str, text: str) -> None:
        """In the thread that opens the devices."""
        if what == "lost":
            self._lost_at = now()
            self._send(Fault(self._lost_at, "sound device", text))
        elif self._lost_at is not None:
            self._send(Recovered(now(), "sound device", now() - self._lost_at))
            self._lost_at = None
        else:
            self._send(Note(f"sound: {text}"))


def _is_file(name: str) -> bool:
    """A path rather than a device: it exists, or looks like one."""
    return Path(name).is_file() or "/" in name or "\\" in name or Path(name).suffix.lower() in _SOUND_SUFFIXES


_SOUND_SUFFIXES = {
    ".wav",
    ".flac",
    ".ogg",
    ".mp3",
    ".m4a",
    ".aac",
    ".opus",
    ".mp4",
    ".mkv",
    ".mov",
    ".webm",
    ".avi",
}


def main(link: EngineLink, settings: SoundSettings) -> None:
    """The process's loop, until Stop or until the parent has gone."""
    doors = _Doors(settings, link.send)
    try:
        microphone, speaker = doors.open()
    except BadSound as error:
        link.send(Finished(f"bad source: {error}", {}))
        return
    engine = SoundEngine(settings, microphone, speaker, link.send)
    why = "parent gone"
    beat_at = 0.0
    try:
        while not link.closed:
            commands = link.poll()
            if any(isinstance(command, Stop) for command in commands):
                why = "stopped"
                break
            for command in commands:
                engine.handle(command)
            while engine.step():
                pass
            engine.idle()
            engine.tell()
            if now() - beat_at >= HEARTBEAT_S:
                beat_at = now()
                link.send(Heartbeat(beat_at, engine.figures()))
                if doors.devices is not None:
                    doors.devices.watch()
            wait_s = engine.due_in_s()
            if wait_s > 0:
                link.wait(wait_s)
    finally:
        engine.close()
    link.send(Finished(why, engine.report()))
