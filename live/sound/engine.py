"""The sound engine's loop: microphone, the voice of the cue, loudspeaker, block by block.

Lives in a process of its own (`main`), or in a test with files and a clock of its own. The loop never waits for a
device, a disk or a voice: a thread speaks, and the loop plays each block as soon as it is there. When it is not there
and the loudspeaker is about to run dry, the loop plays the performer's own voice of the same time, or silence, as the
show says, and counts a missed deadline.

Total latency, one figure for the show: a block, the slowest voice the show names, what the loudspeaker holds in hand,
the limiter, and the devices' own. What the sound waits for the picture is a figure of its own.
"""

from __future__ import annotations

import gc
import sys
from collections import deque
from collections.abc import Callable
from time import sleep
from typing import Any

import numpy as np

from live.process.engine_link import EngineLink
from live.process.frames import now
from live.process.messages import (
    Command,
    Event,
    Finished,
    Forget,
    Go,
    Heartbeat,
    Note,
    OnStage,
    Panic,
    Prepare,
    Reload,
    SetParameter,
    Stop,
)
from live.process.percentiles import Durations
from live.process.slot import NotReady, Slot
from live.show.parameter_names import CUE_PARAMETERS, EASED_PARAMETERS
from live.show.parameters import Parameters
from live.sound.audio_io import AudioInput, AudioIO, AudioOutput
from live.sound.channel_strip import ChannelStrip
from live.sound.delay import Delay
from live.sound.files import BadSound, NoMicrophone
from live.sound.mixer import LONGEST_CONTEXT_S, Dry, Silence, VoiceMixer
from live.sound.priority import raise_priority
from live.sound.recording_tap import RecordingTap
from live.sound.settings import SoundSettings
from live.sound.voice import Voice
from live.sound.voice_runner import InlineVoiceRunner, ThreadedVoiceRunner
from live.sound.voices import open_voice, voice_latency
from models.features.types import Mono

HEARTBEAT_S = 0.25
_LAST_MOMENT_S = 0.003
"""With less than this in the loudspeaker's hand, a block that is not there is late."""
_TOO_SLOW_MISSES = 20
_TOO_SLOW_S = 2.0
"""So many late blocks within this time, and the voice is too slow for this machine."""
_DECLICK_S = 0.004
_WARM_S = 0.2


class SoundEngine:
    """One step a block. Everything here belongs to one thread, but what the voice thread is asked to do."""

    def __init__(
        self,
        settings: SoundSettings,
        microphone: AudioInput,
        speaker: AudioOutput,
        send: Callable[[Event], None] = lambda event: None,
        clock: Callable[[], float] = now,
        wake: Callable[[], None] | None = None,
        load: Callable[[str], Voice] | None = None,
    ) -> None:
        """
        Args:
            wake: ends the loop's waiting, from the voice thread; without one there is no thread, and each step
                converts by itself.
            load: opens a voice by its key; else live.sound.voices.open_voice.
        """
        self._settings = settings
        self._microphone, self._speaker = microphone, speaker
        self._send, self._clock = send, clock
        self._latency = self._slowest(settings.voices)
        self._load = load
        self._slot: Slot[Voice] = Slot(self._open, "voice")
        mixer = VoiceMixer(settings.sample_rate, settings.block, self._latency, hurry=wake is not None)
        self._troubles: deque[str] = deque()
        self._unknown: deque[str] = deque()
        """Parameters that no voice on stage knows."""
        self._voice: InlineVoiceRunner = (
            InlineVoiceRunner(mixer, self._troubles.append)
            if wake is None
            else ThreadedVoiceRunner(mixer, self._troubles.append, wake)
        )
        self._arrived: deque[Go] = deque()
        self._desk = ChannelStrip(settings.sample_rate)
        self._dry = Delay(self._latency, round(LONGEST_CONTEXT_S * settings.sample_rate))
        self._parameters = Parameters()
        self._sound_miss = settings.sound_miss
        self._waiting: deque[tuple[int, Mono, float]] = deque()
        """Blocks in the voice's hands: their number, the dry signal of the same time, when they were captured."""
        self._blocks = 0
        self._last = 0.0
        self._begun = False
        self._missed_last = False
        self._misses: deque[float] = deque(maxlen=_TOO_SLOW_MISSES)
        self._deadline_misses = self._missed_before = 0
        self._compute = Durations()
        self._computed_s = 0.0
        self._played = RecordingTap(settings.sample_rate, send) if settings.recorded else None
        self._said = ""
        self.priority = "as any other"
        """How the system runs the process; for the screen."""

    # ---- one block

    def step(self) -> bool:
        """Take one block, if the microphone has one, and play all that are ready. Never waits."""
        taken = self._microphone.read()
        if taken is not None:
            self._hear(taken[0][:, 0], taken[1])
        played = self._deliver()
        self._heed_voice()
        return taken is not None or played

    def idle(self) -> None:
        """Where there is no block to wait for, a cue is on stage at once."""
        while self._arrived and isinstance(self._microphone, NoMicrophone):
            self._on_stage(self._arrived.popleft())

    def due_in_s(self) -> float:
        """How long the loop may sleep: until the next block, the last moment of one, or the loader's answer."""
        waits = [self._microphone.due_in_s(), 0.01 if self._slot.busy else HEARTBEAT_S]
        if self._waiting:
            waits.append(max(self._speaker.in_hand_s() - _LAST_MOMENT_S, 0.0005))
        return min(waits)

    def _hear(self, samples: Mono, captured_at: float) -> None:
        for name, value in self._parameters.move(self._clock()).items():
            self._tell_voice(name, value)
        heard = self._desk.hear(np.ascontiguousarray(samples, np.float32))
        self._waiting.append((self._blocks, self._dry.process(heard), captured_at))
        self._voice.submit(self._blocks, heard)
        self._blocks += 1

    def _deliver(self) -> bool:
        """Play what is ready, in order; and what has not come, as the show says, at the last moment."""
        played = False
        while self._waiting:
            index, dry, captured_at = self._waiting[0]
            said = self._voice.take(index)
            if said is None:
                if self._speaker.in_hand_s() > _LAST_MOMENT_S:
                    break
                self._voice.skip(index)
                self._miss()
                said = self._instead(dry)
            elif self._missed_last:
                said = self._back(said, dry)
            self._waiting.popleft()
            self._last = float(said[-1])
            out = self._desk.play(said, dry)
            self._speaker.write(out[:, None])
            if self._played is not None:
                self._played.add(out, captured_at + self._carried_s())
            played = True
        return played

    def _instead(self, dry: Mono) -> Mono:
        instead = dry if self._sound_miss == "dry" else np.zeros_like(dry)
        if not self._missed_last:
            instead = self._declicked(instead)
        self._missed_last = True
        return instead

    def _back(self, said: Mono, dry: Mono) -> Mono:
        """From the substitute to the voice, over a block."""
        self._missed_last = False
        share = np.linspace(0.0, 1.0, len(said), dtype=np.float32)
        return said * share + (dry * (1.0 - share) if self._sound_miss == "dry" else np.float32(0.0))

    def _declicked(self, block: Mono) -> Mono:
        """Faded in, over what was played last dying away: the rest of that is not to be had."""
        count = min(round(_DECLICK_S * self._settings.sample_rate), len(block))
        share = 0.5 - 0.5 * np.cos(np.linspace(0.0, np.pi, count + 1, dtype=np.float32)[1:])
        block = block.copy()
        block[:count] = block[:count] * share + self._last * (1.0 - share)
        return block

    def _miss(self) -> None:
        self._deadline_misses += 1
        at = self._clock()
        self._misses.append(at)
        if len(self._misses) == _TOO_SLOW_MISSES and at - self._misses[0] < _TOO_SLOW_S:
            self._misses.clear()
            self._give_up("it is too slow for this machine")

    def _heed_voice(self) -> None:
        """What the voice thread has to say."""
        while self._voice.compute_s:
            took = self._voice.compute_s.popleft()
            self._compute.add(took)
            self._computed_s += took
        while self._troubles:
            self._give_up(self._troubles.popleft())
        while self._unknown:
            self._send(Note(f'neither the sound nor its voice has a parameter "{self._unknown.popleft()}"'))
        while self._arrived:
            self._on_stage(self._arrived.popleft())

    def _give_up(self, why: str) -> None:
        """The voice on stage cannot go on: the show's substitute speaks until the next cue."""
        key = self._slot.current_key
        if key in (None, "bypass", "silence"):
            return
        substitute = Dry() if self._sound_miss == "dry" else Silence("silence")
        self._slot.put(substitute.name, substitute)
        self._slot.go(substitute.name)
        self._voice.ask(lambda mixer: mixer.cut(substitute))
        self._missed_last = True  # the next block comes from somewhere else: it is faded in
        heard = "the performer's own voice is" if self._sound_miss == "dry" else "silence is"
        self._send(Note(f"voice {_short(key)}: {why}; {heard} played until the next cue"))

    # ---- commands

    def handle(self, command: Command) -> None:
        if isinstance(command, Prepare):
            self._slot.prepare(command.model)
        elif isinstance(command, Forget):
            self._slot.forget(command.model)
        elif isinstance(command, Go):
            self._go(command)
        elif isinstance(command, Panic):
            self._desk.set_panic(command.on)
        elif isinstance(command, SetParameter):
            self._set(command.name, command.value, 0.0)
        elif isinstance(command, Reload):
            self._reload(command)

    def _go(self, go: Go) -> None:
        try:
            self._slot.go(go.model)
        except NotReady as error:
            self._send(Note(str(error)))
            return
        voice = self._slot.current
        assert voice is not None
        self._missed_before = self._deadline_misses
        self._voice.ask(lambda mixer: mixer.change(voice, go.transition_s, lambda: self._arrived.append(go)))
        for name in CUE_PARAMETERS:
            if name not in go.set:
                self._rest(name, go.transition_s)
        for name, value in go.set.items():
            self._set(name, value, go.transition_s)
        if not self._begun:
            self._begun = True
            self._desk.begin()
        if isinstance(self._microphone, NoMicrophone):
            self._arrived.append(go)

    def _rest(self, name: str, over_s: float) -> None:
        """Back to nothing; that a voice has no such parameter is no mistake of a cue that does not name it."""
        if name in EASED_PARAMETERS:
            self._set(name, 0.0, over_s)
        else:
            self._tell_voice(name, 0.0)

    def _set(self, name: str, value: float, over_s: float) -> None:
        if name in EASED_PARAMETERS:
            self._parameters.ease(name, value, 0.0, self._clock(), over_s)
        elif not self._desk.set(name.removeprefix("sound/"), value, over_s):
            self._ask_voice(name, value)

    def _ask_voice(self, name: str, value: float) -> None:
        """A parameter of a voice's own; one that none on stage knows is told in a note."""

        def ask(mixer: VoiceMixer) -> None:
            if not mixer.set(name.removeprefix("sound/"), value):
                self._unknown.append(name)

        self._voice.ask(ask)

    def _tell_voice(self, name: str, value: float) -> None:
        self._voice.ask(lambda mixer: mixer.set(name.removeprefix("sound/"), value))

    def _reload(self, show: Reload) -> None:
        """A show read again may name slower voices: all of it moves to the new latency at once. With faster ones alone
        it stays as late as it was: a slow voice may still be on stage, fading out or loaded, and sound that comes
        earlier from one moment to the next loses some of what is said."""
        self._sound_miss = show.sound_miss
        latency = self._slowest(show.voices)
        if latency > self._latency:
            self._latency = latency
            self._dry.set(latency)
            self._voice.ask(lambda mixer: mixer.raise_latency(latency))

    # ---- voices

    def _open(self, key: str) -> Voice:
        """In the loader's thread. Raises ValueError or BadModel, with one line for the operator."""
        settings = self._settings
        if self._load is not None:
            voice = self._load(key)
        else:
            voice = open_voice(key, settings.sample_rate, settings.block, settings.provider)
        if voice.latency > self._latency:
            raise ValueError(
                f"{_short(key)} is {self._ms(voice.latency):.0f} ms late, and this show's sound "
                f"{self._ms(self._latency):.0f} ms: name it in the show's file and reload"
            )
        self._warm(voice)
        return voice

    def _warm(self, voice: Voice) -> None:
        """Some noise through it: its first block on stage is as fast as the others, and one that cannot keep up
        is refused before anybody hears it. Raises ValueError."""
        settings = self._settings
        count = max(round(_WARM_S / settings.block_s), 4)
        noise = np.random.default_rng(0).normal(0.0, 0.05, (2 * count, settings.block)).astype(np.float32)
        took = []
        for block in noise:
            began = now()
            voice.process(block)
            took.append(now() - began)
            sleep(took[-1])  # who performs meanwhile needs the machine
        voice.reset()
        share = sum(took[count:]) / (count * settings.block_s)
        if share > 1.0:
            raise ValueError(f"{voice.name} is too slow for this machine: {share:.1f} s for each second of sound")

    def _slowest(self, voices: tuple[str, ...]) -> int:
        """The latency of the slowest voice; one whose file is bad is refused later, when it is opened."""
        latencies = [0]
        for key in voices:
            try:
                latencies.append(voice_latency(key, self._settings.sample_rate, self._settings.block))
            except (ValueError, OSError, ModuleNotFoundError) as error:
                self._send(Note(f"voice {_short(key)}: {error}"))
        return max(latencies)

    # ---- what is told

    def tell(self) -> None:
        """Send what the loader has finished, and what a file had to say."""
        for news in self._slot.answers():
            self._send(news)
        trouble = self._microphone.trouble or self._speaker.trouble
        if trouble and trouble != self._said:
            self._said = trouble
            self._send(Note(trouble))

    def metrics(self) -> dict[str, Any]:
        """For the screen; ms, levels of full scale 1."""
        desk = self._desk
        limited, desk.limited = desk.limited, 1.0
        return {
            "microphone": self._microphone.name,
            "speaker": self._speaker.name,
            "voice": self._slot.current_key,
            "sample_rate": self._settings.sample_rate,
            "block": self._settings.block,
            "latency": self.latency_ms,
            "latency_parts": self._parts(),
            "drift_ppm": self._speaker.drift_ppm,
            "blocks": self._blocks,
            "xruns": self._xruns(),
            "deadline_misses": self._misses_in_all(),
            "compute": self._compute.recent(),
            "rtf": self._rtf(),
            "in_peak": desk.heard.peak,
            "in_rms": desk.heard.rms,
            "out_peak": desk.played.peak,
            "out_rms": desk.played.rms,
            "limited": limited,
            "bad_samples": desk.bad_samples,
            "mute": desk.mute,
            "panic": desk.panic,
            "wait": round(1e3 * desk.wait_s, 2),
            "priority": self.priority,
        }

    @property
    def latency_ms(self) -> float | None:
        """From a sample in the air to the same sample heard, without what it waits for the picture; None without a
        microphone."""
        if isinstance(self._microphone, NoMicrophone):
            return None
        return round(1e3 * self._total_s(), 2)

    def report(self) -> dict[str, Any]:
        """The "audio" part of the report."""
        silent = isinstance(self._microphone, NoMicrophone)
        return {
            "audio": {
                "sample_rate": self._settings.sample_rate,
                "block": self._settings.block,
                "latency": self.latency_ms,
                "rtf": None if silent else self._rtf(),
                "xruns": self._xruns(),
                "deadline_misses": self._misses_in_all(),
                "compute": self._compute.whole(),
                "drift_ppm": self._speaker.drift_ppm,
                "blocks": self._blocks,
            }
        }

    def close(self) -> None:
        if self._played is not None:
            self._played.flush()
        self._voice.close()
        self._microphone.close()
        self._speaker.close()
        self._slot.close()
        self.tell()

    def _total_s(self) -> float:
        return sum(self._parts().values()) / 1e3

    def _carried_s(self) -> float:
        """From a block's first sample in the air to the block's first sample heard, whatever it says by then."""
        return self._settings.block_s + self._microphone.latency_s + self._speaker.latency_s

    def _parts(self) -> dict[str, float]:
        """What the latency is made of, ms."""
        settings, desk = self._settings, self._desk
        return {
            "block": 1e3 * settings.block_s,
            "voice": self._ms(self._latency),
            "desk": self._ms(desk.latency),
            "microphone": 1e3 * self._microphone.latency_s,
            "speaker": 1e3 * self._speaker.latency_s,
        }

    def _ms(self, samples: int) -> float:
        return 1e3 * samples / self._settings.sample_rate

    def _xruns(self) -> int:
        return self._microphone.xruns + self._speaker.xruns

    def _misses_in_all(self) -> int:
        return self._deadline_misses + self._microphone.missed

    def _rtf(self) -> float:
        """Computing time over the time of the sound."""
        return round(self._computed_s / max(self._blocks * self._settings.block_s, 1e-9), 4)

    def _on_stage(self, go: Go) -> None:
        missing = (self._deadline_misses - self._missed_before) * self._settings.block
        self._send(OnStage(go.cue_index, self._clock(), gap_samples=missing))


def _short(key: str) -> str:
    return key.replace("\\", "/").rpartition("/")[2]


def main(link: EngineLink, settings: SoundSettings) -> None:
    """The process's loop, until Stop or until the parent has gone."""
    # Who holds Python's lock gives it back soon, and nothing is swept up in the middle of a block.
    sys.setswitchinterval(0.0005)
    gc.freeze()
    doors = AudioIO(settings, link.send)
    try:
        microphone, speaker = doors.open()
    except BadSound as error:
        link.send(Finished(f"bad source: {error}", {}))
        return
    engine = SoundEngine(settings, microphone, speaker, link.send, wake=link.wake)
    engine.priority = raise_priority()
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
                link.send(Heartbeat(beat_at, engine.metrics()))
            wait_s = engine.due_in_s()
            if wait_s > 0:
                link.wait(wait_s)
    finally:
        engine.close()
    link.send(Finished(why, engine.report()))
