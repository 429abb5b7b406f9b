"""The sound engine's loop: microphone, the voice of the cue, loudspeaker, block by block.

Runs in a process of its own (`main`), or in a test with files and a manual clock. The loop never waits for a device or
a voice: a thread runs the voice, and the loop plays each block as soon as it is converted. It reads a disk only when a
show is read again, for the latencies of its voices. When it is not ready
and the loudspeaker is about to run dry, the loop plays the performer's own voice of the same time, or silence, as the
show says, and counts a missed deadline.

Total latency, one figure for the show: a block, the slowest voice the show names, what the loudspeaker has buffered,
the limiter, and the devices' own. The delay that keeps the sound in sync with the picture is a separate figure.
"""

from __future__ import annotations

import gc
import sys
from collections import deque
from collections.abc import Callable
from time import sleep

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
from live.process.metrics import SoundMetrics
from live.process.percentiles import Durations
from live.process.report import EngineReport
from live.process.slot import NotReady, Slot
from live.show.parameter_names import CUE_PARAMETERS, EASED_PARAMETERS
from live.show.parameters import Parameters
from live.sound.audio_io import AudioInput, AudioIO, AudioOutput
from live.sound.channel_strip import ChannelStrip
from live.sound.delay import Delay
from live.sound.mixer import MAX_CONTEXT_S, Dry, Silence, VoiceMixer
from live.sound.null_devices import NullMicrophone
from live.sound.priority import raise_priority
from live.sound.recording_tap import RecordingTap
from live.sound.settings import SoundSettings
from live.sound.sound_file import BadSound
from live.sound.voice import Voice
from live.sound.voice_runner import InlineVoiceRunner, ThreadedVoiceRunner
from live.sound.voices import open_voice, voice_latency_samples
from models.features.types import Mono

HEARTBEAT_S = 0.25
_LAST_MOMENT_S = 0.003
"""A block that is not ready is late when the loudspeaker has less than this buffered."""
_TOO_SLOW_MISSES = 20
_TOO_SLOW_S = 2.0
"""With so many late blocks within this time, the voice is too slow for this machine."""
_DECLICK_S = 0.004
_WARM_UP_S = 0.2


class SoundEngine:
    """One step a block. Everything belongs to one thread, except the functions that are called in the voice thread and
    in the loader's."""

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
            wake: ends the loop's waiting, from the voice thread; None: there is no thread, and each step converts
                inline.
            load: opens a voice by its key; None: live.sound.voices.open_voice does.
        """
        self._settings = settings
        self._microphone, self._speaker = microphone, speaker
        self._send, self._clock = send, clock
        self._latency_samples = self._slowest_latency(settings.voices)
        self._load = load
        self._slot: Slot[Voice] = Slot(self._open, "voice")
        mixer = VoiceMixer(settings.sample_rate, settings.block, self._latency_samples, real_time=wake is not None)
        self._voice_errors: deque[str] = deque()
        self._unknown_parameters: deque[str] = deque()
        """Parameters that no voice on stage has."""
        self._runner: InlineVoiceRunner = (
            InlineVoiceRunner(mixer, self._voice_errors.append)
            if wake is None
            else ThreadedVoiceRunner(mixer, self._voice_errors.append, wake)
        )
        self._arrived: deque[Go] = deque()
        self._strip = ChannelStrip(settings.sample_rate)
        self._dry = Delay(self._latency_samples, round(MAX_CONTEXT_S * settings.sample_rate))
        self._parameters = Parameters()
        self._sound_miss = settings.sound_miss
        self._pending: deque[tuple[int, Mono, float]] = deque()
        """Blocks that the voice is converting: number, dry signal of the same time, when it was captured."""
        self._blocks = 0
        self._last_sample = 0.0
        self._started = False
        self._missed_last = False
        self._misses: deque[float] = deque(maxlen=_TOO_SLOW_MISSES)
        self._deadline_misses = self._missed_before = 0
        self._compute = Durations()
        self._computed_s = 0.0
        self._recording_tap = RecordingTap(settings.sample_rate, send) if settings.recorded else None
        self._last_trouble = ""
        self.priority = "as any other"
        """The process's scheduling priority; for the screen."""

    # ---- one block

    def step(self) -> bool:
        """Take one block, if the microphone has one, and play all that are ready; whether there was any. Never
        waits."""
        captured = self._microphone.read()
        if captured is not None:
            self._process_block(captured[0][:, 0], captured[1])
        played = self._play_ready()
        self._handle_voice_results()
        return captured is not None or played

    def idle(self) -> None:
        """Without a microphone there is no block to wait for: a cue is on stage at once."""
        while self._arrived and isinstance(self._microphone, NullMicrophone):
            self._send_on_stage(self._arrived.popleft())

    def due_in_s(self) -> float:
        """How long the loop may sleep: until the next block, the last moment to play one, or the loader's answer."""
        waits = [self._microphone.due_in_s(), 0.01 if self._slot.busy else HEARTBEAT_S]
        if self._pending:
            waits.append(max(self._speaker.buffered_s() - _LAST_MOMENT_S, 0.0005))
        return min(waits)

    def _process_block(self, samples: Mono, captured_at: float) -> None:
        for name, value in self._parameters.move(self._clock()).items():
            self._set_voice_parameter_quietly(name, value)
        block = self._strip.process_input(np.ascontiguousarray(samples, np.float32))
        self._pending.append((self._blocks, self._dry.process(block), captured_at))
        self._runner.submit(self._blocks, block)
        self._blocks += 1

    def _play_ready(self) -> bool:
        """Play the blocks that are ready, in order; for one that is not, at the last moment, the show's substitute.
        Returns whether any was played."""
        played = False
        while self._pending:
            index, dry, captured_at = self._pending[0]
            voiced = self._runner.take(index)
            if voiced is None:
                if self._speaker.buffered_s() > _LAST_MOMENT_S:
                    break
                self._runner.skip(index)
                self._count_miss()
                voiced = self._substitute(dry)
            elif self._missed_last:
                voiced = self._blend_back(voiced, dry)
            self._pending.popleft()
            self._last_sample = float(voiced[-1])
            out = self._strip.process_output(voiced, dry)
            self._speaker.write(out[:, None])
            if self._recording_tap is not None:
                self._recording_tap.collect(out, captured_at + self._transit_s())
            played = True
        return played

    def _substitute(self, dry: Mono) -> Mono:
        substitute = dry if self._sound_miss == "dry" else np.zeros_like(dry)
        if not self._missed_last:
            substitute = self._declicked(substitute)
        self._missed_last = True
        return substitute

    def _blend_back(self, voiced: Mono, dry: Mono) -> Mono:
        """Crossfades from the substitute to the voice, over a block."""
        self._missed_last = False
        share = np.linspace(0.0, 1.0, len(voiced), dtype=np.float32)
        return voiced * share + (dry * (1.0 - share) if self._sound_miss == "dry" else np.float32(0.0))

    def _declicked(self, block: Mono) -> Mono:
        """Faded in, while the last sample played is held and faded out: what would have followed it is unknown."""
        count = min(round(_DECLICK_S * self._settings.sample_rate), len(block))
        share = 0.5 - 0.5 * np.cos(np.linspace(0.0, np.pi, count + 1, dtype=np.float32)[1:])
        block = block.copy()
        block[:count] = block[:count] * share + self._last_sample * (1.0 - share)
        return block

    def _count_miss(self) -> None:
        self._deadline_misses += 1
        at = self._clock()
        self._misses.append(at)
        if len(self._misses) == _TOO_SLOW_MISSES and at - self._misses[0] < _TOO_SLOW_S:
            self._misses.clear()
            self._replace_voice("it is too slow for this machine")

    def _handle_voice_results(self) -> None:
        """Collect computing times, errors, unknown parameters and arrived cues from the voice thread."""
        while self._runner.compute_s:
            compute_s = self._runner.compute_s.popleft()
            self._compute.add(compute_s)
            self._computed_s += compute_s
        while self._voice_errors:
            self._replace_voice(self._voice_errors.popleft())
        while self._unknown_parameters:
            self._send(Note(f'neither the sound nor its voice has a parameter "{self._unknown_parameters.popleft()}"'))
        while self._arrived:
            self._send_on_stage(self._arrived.popleft())

    def _replace_voice(self, why: str) -> None:
        """The voice on stage has failed: the show's substitute is played until the next cue."""
        key = self._slot.current_key
        if key in (None, "bypass", "silence"):
            return
        substitute = Dry() if self._sound_miss == "dry" else Silence("silence")
        self._slot.put(substitute.name, substitute)
        self._slot.go(substitute.name)
        self._runner.call_soon(lambda mixer: mixer.cut(substitute))
        self._missed_last = True  # the next block comes from another source: it is faded in
        subject = "the performer's own voice is" if self._sound_miss == "dry" else "silence is"
        self._send(Note(f"voice {_file_name(key)}: {why}; {subject} played until the next cue"))

    # ---- commands

    def handle(self, command: Command) -> None:
        if isinstance(command, Prepare):
            self._slot.prepare(command.model)
        elif isinstance(command, Forget):
            self._slot.forget(command.model)
        elif isinstance(command, Go):
            self._go(command)
        elif isinstance(command, Panic):
            self._strip.set_panic(command.on)
        elif isinstance(command, SetParameter):
            self._set_parameter(command.name, command.value, 0.0)
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
        self._runner.call_soon(lambda mixer: mixer.change(voice, go.transition_s, lambda: self._arrived.append(go)))
        for name in CUE_PARAMETERS:
            if name not in go.set:
                self._reset_parameter(name, go.transition_s)
        for name, value in go.set.items():
            self._set_parameter(name, value, go.transition_s)
        if not self._started:
            self._started = True
            self._strip.start()
        if isinstance(self._microphone, NullMicrophone):
            self._arrived.append(go)

    def _reset_parameter(self, name: str, over_s: float) -> None:
        """Back to 0. No note where the voice has no such parameter: the cue does not name it."""
        if name in EASED_PARAMETERS:
            self._set_parameter(name, 0.0, over_s)
        else:
            self._set_voice_parameter_quietly(name, 0.0)

    def _set_parameter(self, name: str, value: float, over_s: float) -> None:
        if name in EASED_PARAMETERS:
            self._parameters.ease(name, value, 0.0, self._clock(), over_s)
        elif not self._strip.set(name.removeprefix("sound/"), value, over_s):
            self._set_voice_parameter(name, value)

    def _set_voice_parameter(self, name: str, value: float) -> None:
        """Set a parameter of the voice's own; a note is sent where no voice on stage has it."""

        def set_or_note(mixer: VoiceMixer) -> None:
            if not mixer.set(name.removeprefix("sound/"), value):
                self._unknown_parameters.append(name)

        self._runner.call_soon(set_or_note)

    def _set_voice_parameter_quietly(self, name: str, value: float) -> None:
        self._runner.call_soon(lambda mixer: mixer.set(name.removeprefix("sound/"), value))

    def _reload(self, show: Reload) -> None:
        """A reloaded show may name slower voices: then everything changes to the new latency at once. With faster
        voices only, the latency stays: a slow voice may still be on stage, fading out or loaded, and lowering the
        latency would cut out some of the sound."""
        self._sound_miss = show.sound_miss
        latency = self._slowest_latency(show.voices)
        if latency > self._latency_samples:
            self._latency_samples = latency
            self._dry.set(latency)
            self._runner.call_soon(lambda mixer: mixer.raise_latency(latency))

    # ---- voices

    def _open(self, key: str) -> Voice:
        """In the loader's thread. Raises ValueError or BadModel with one line for the operator."""
        settings = self._settings
        if self._load is not None:
            voice = self._load(key)
        else:
            voice = open_voice(key, settings.sample_rate, settings.block, settings.provider)
        if voice.latency_samples > self._latency_samples:
            raise ValueError(
                f"{_file_name(key)} is {self._ms(voice.latency_samples):.0f} ms late, and this show's sound "
                f"{self._ms(self._latency_samples):.0f} ms: name it in the show's file and reload"
            )
        self._warm_up(voice)
        return voice

    def _warm_up(self, voice: Voice) -> None:
        """Run some noise through it: its first block on stage is then as fast as the others, and a voice that cannot
        keep up is refused before it is heard. Raises ValueError."""
        settings = self._settings
        count = max(round(_WARM_UP_S / settings.block_s), 4)
        noise = np.random.default_rng(0).normal(0.0, 0.05, (2 * count, settings.block)).astype(np.float32)
        compute_s = []
        for block in noise:
            began = now()
            voice.process(block)
            compute_s.append(now() - began)
            sleep(compute_s[-1])  # the voice that performs meanwhile needs the machine
        voice.reset()
        share = sum(compute_s[count:]) / (count * settings.block_s)
        if share > 1.0:
            raise ValueError(f"{voice.name} is too slow for this machine: {share:.1f} s for each second of sound")

    def _slowest_latency(self, voices: tuple[str, ...]) -> int:
        """The latency of the slowest voice, in samples; a bad file is ignored here, and refused when it is opened."""
        latencies = [0]
        for key in voices:
            try:
                latencies.append(voice_latency_samples(key, self._settings.sample_rate, self._settings.block))
            except (ValueError, OSError, ModuleNotFoundError) as error:
                self._send(Note(f"voice {_file_name(key)}: {error}"))
        return max(latencies)

    # ---- events, metrics, report

    def send_events(self) -> None:
        """Send what the loader has finished, and the newest trouble of a device or file."""
        for event in self._slot.answers():
            self._send(event)
        trouble = self._microphone.trouble or self._speaker.trouble
        if trouble and trouble != self._last_trouble:
            self._last_trouble = trouble
            self._send(Note(trouble))

    def metrics(self) -> SoundMetrics:
        """For the screen."""
        strip = self._strip
        limited, strip.limited = strip.limited, 1.0
        return SoundMetrics(
            microphone=self._microphone.name,
            speaker=self._speaker.name,
            voice=self._slot.current_key,
            sample_rate=self._settings.sample_rate,
            block_samples=self._settings.block,
            latency_ms=self.latency_ms,
            latency_parts_ms=self._latency_parts_ms(),
            drift_ppm=self._speaker.drift_ppm,
            blocks=self._blocks,
            xruns=self._xruns(),
            deadline_misses=self._total_misses(),
            compute_ms=self._compute.recent(),
            rtf=self._rtf(),
            in_peak=strip.input_meter.peak,
            in_rms=strip.input_meter.rms,
            out_peak=strip.output_meter.peak,
            out_rms=strip.output_meter.rms,
            limited=limited,
            bad_samples=strip.bad_samples,
            mute=strip.mute,
            panic=strip.panic,
            wait_ms=round(1e3 * strip.wait_s, 2),
            priority=self.priority,
        )

    @property
    def latency_ms(self) -> float | None:
        """From a sample in the air to the same sample heard, without the delay for the picture; None without a
        microphone."""
        if isinstance(self._microphone, NullMicrophone):
            return None
        return round(1e3 * self._total_s(), 2)

    def report(self) -> EngineReport:
        """The "audio" part of the report."""
        silent = isinstance(self._microphone, NullMicrophone)
        return {
            "audio": {
                "sample_rate": self._settings.sample_rate,
                "block": self._settings.block,
                "latency": self.latency_ms,
                "rtf": None if silent else self._rtf(),
                "xruns": self._xruns(),
                "deadline_misses": self._total_misses(),
                "compute": self._compute.whole(),
                "drift_ppm": self._speaker.drift_ppm,
                "blocks": self._blocks,
            }
        }

    def close(self) -> None:
        if self._recording_tap is not None:
            self._recording_tap.flush()
        self._runner.close()
        self._microphone.close()
        self._speaker.close()
        self._slot.close()
        self.send_events()

    def _total_s(self) -> float:
        return sum(self._latency_parts_ms().values()) / 1e3

    def _transit_s(self) -> float:
        """From a block's first sample in the air until the output block of the same number is heard; the latencies of
        voice and strip shift the sound within the blocks and are not included."""
        return self._settings.block_s + self._microphone.latency_s + self._speaker.latency_s

    def _latency_parts_ms(self) -> dict[str, float]:
        """What the latency consists of, ms."""
        settings, strip = self._settings, self._strip
        return {
            "block": 1e3 * settings.block_s,
            "voice": self._ms(self._latency_samples),
            "limiter": self._ms(strip.latency_samples),
            "microphone": 1e3 * self._microphone.latency_s,
            "speaker": 1e3 * self._speaker.latency_s,
        }

    def _ms(self, samples: int) -> float:
        return 1e3 * samples / self._settings.sample_rate

    def _xruns(self) -> int:
        return self._microphone.xruns + self._speaker.xruns

    def _total_misses(self) -> int:
        return self._deadline_misses + self._microphone.missed

    def _rtf(self) -> float:
        """Real-time factor: computing time over the duration of the sound."""
        return round(self._computed_s / max(self._blocks * self._settings.block_s, 1e-9), 4)

    def _send_on_stage(self, go: Go) -> None:
        missing = (self._deadline_misses - self._missed_before) * self._settings.block
        self._send(OnStage(go.cue_index, self._clock(), gap_samples=missing))


def _file_name(key: str) -> str:
    return key.replace("\\", "/").rpartition("/")[2]


def main(link: EngineLink, settings: SoundSettings) -> None:
    """The process's loop, until Stop or until the parent has gone."""
    # A thread that holds Python's lock gives it back soon, and no garbage of the start is traversed during a block.
    sys.setswitchinterval(0.0005)
    gc.freeze()
    audio_io = AudioIO(settings, link.send)
    try:
        microphone, speaker = audio_io.open()
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
            engine.send_events()
            if now() - beat_at >= HEARTBEAT_S:
                beat_at = now()
                link.send(Heartbeat(beat_at, engine.metrics()))
            wait_s = engine.due_in_s()
            if wait_s > 0:
                link.wait(wait_s)
    finally:
        engine.close()
    link.send(Finished(why, engine.report()))
