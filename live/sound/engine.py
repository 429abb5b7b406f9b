"""The sound engine's loop: microphone, the voice of the cue, loudspeaker, block by block.

Runs in a process of its own (`main`), or in a test with files and a manual clock. The loop never waits for a device or
a voice: a thread runs the voice, and the loop plays each block as soon as it is converted. It reads a disk only when a
show is read again, for the latencies of its voices. When a block is not ready and the loudspeaker is about to run dry,
the loop plays the performer's own voice of the same time, or silence, as the show says, and counts a missed deadline.

Total latency, one figure for the show: a block, the slowest voice the show names, what the loudspeaker has buffered,
the limiter, and the devices' own. The delay that keeps the sound in sync with the picture is a separate figure.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from functools import partial

import numpy as np

from live.process.engine_link import EngineLink
from live.process.error_text import error_text
from live.process.frames import Clock, now
from live.process.load_limit import load_limit_s
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
    Ready,
    Refused,
    Reload,
    SetParameter,
    Stop,
)
from live.process.metrics import SoundMetrics
from live.process.report import EngineReport
from live.process.slot import NotReady, Slot
from live.sound.audio_block import AudioBlock
from live.sound.audio_io import AudioInput, AudioIO, AudioOutput
from live.sound.channel_strip import ChannelStrip
from live.sound.delay import Delay
from live.sound.miss_counter import MissCounter
from live.sound.mixer import MAX_CONTEXT_S, Dry, Silence, VoiceMixer
from live.sound.null_devices import NullMicrophone
from live.sound.playback import Playback
from live.sound.priority import Priority, prepare_process, raise_priority
from live.sound.recording_tap import RecordingTap
from live.sound.settings import SoundSettings
from live.sound.sound_figures import SoundFigures
from live.sound.sound_file import BadSound
from live.sound.sound_parameters import SoundParameters
from live.sound.substitute import SubstituteSound
from live.sound.voice import Voice
from live.sound.voice_loader import VoiceLoader, file_name
from live.sound.voice_runner import InlineVoiceRunner, ThreadedVoiceRunner, VoiceResult
from live.sound.watched_voice_runner import WatchedVoiceRunner

HEARTBEAT_S = 0.25
HANGS_AGAIN_S = 60.0
"""A voice that hangs is loaded anew by itself, but not for a second time within this time."""


class SoundEngine:
    """Wires the parts: one step a block. Everything belongs to one thread, except what the voice's thread and the
    loader's run."""

    def __init__(
        self,
        settings: SoundSettings,
        microphone: AudioInput,
        speaker: AudioOutput,
        send: Callable[[Event], None] = lambda event: None,
        clock: Clock = now,
        wake: Callable[[], None] | None = None,
        load: Callable[[str], Voice] | None = None,
        begin_voice: Callable[[], object] = lambda: None,
    ) -> None:
        """
        Args:
            wake: ends the loop's waiting, from the voice thread; None: there is no thread, and each step converts
                inline.
            load: opens a voice by its key; None: live.sound.voices.open_voice does.
            begin_voice: called first in the voice's thread.
        """
        self._settings = settings
        self._microphone, self._speaker = microphone, speaker
        self._send, self._clock = send, clock
        self._loader = VoiceLoader(settings, self._note, load)
        self._slot: Slot[Voice] = Slot(self._loader.open, "voice", load_limit_s=load_limit_s(settings.provider))
        latency_samples = self._loader.latency_samples
        self._real_time = wake is not None
        start = InlineVoiceRunner if wake is None else partial(ThreadedVoiceRunner, wake=wake, begin=begin_voice)
        self._runner = WatchedVoiceRunner(self._make_mixer, start, clock)
        self._strip = ChannelStrip(settings.sample_rate)
        self._dry = Delay(latency_samples, round(MAX_CONTEXT_S * settings.sample_rate))
        self._parameters = SoundParameters(self._strip, self._runner, clock)
        self._substitute = SubstituteSound(settings.sample_rate, settings.sound_miss)
        self._misses = MissCounter(settings.block_s)
        self._playback = Playback(self._runner, self._substitute, self._misses, speaker.buffered_s)
        self._figures = SoundFigures(
            settings, microphone, speaker, self._strip, self._misses, lambda: self._loader.latency_samples
        )
        self._recording_tap = RecordingTap(settings.sample_rate, send) if settings.recorded else None
        self._started = False
        self._missed_before = 0
        self._failed: list[Voice] = []
        """The voices that have failed since the newest cue: each is told once."""
        self._arriving: int | None = None
        """The newest cue, until its voice is heard."""
        self._hung: set[str] = set()
        """Voices that hung: their threads may still be in them, so they are only used again once loaded anew."""
        self._hung_at: dict[str, float] = {}
        self._returning: str | None = None
        """The newest cue's own voice, while it is loaded anew: it performs again when it is there."""
        self._last_trouble = ""
        self.priority: Priority = "normal"
        """The process's scheduling priority; for the screen."""

    # ---- one block

    def step(self) -> bool:
        """Take one block, if the microphone has one, and play all that are ready; whether there was any. Never
        waits."""
        captured = self._microphone.read()
        if captured is not None:
            self._process_block(captured)
        played = self._play_ready()
        for result in self._playback.take_results():
            self._handle_result(result)
        if self._misses.take_too_slow():
            self._voice_failed(self._runner.at_fault, "it is too slow for this machine")
        if (burst_s := self._misses.take_burst_s()) is not None:
            key = self._key_of(self._slot.current)
            self._note_voice(key, f"it was late for {burst_s:.1f} s, and performs again")
        if self._runner.hangs:
            self._replace_thread()
        return captured is not None or played

    def due_in_s(self) -> float:
        """How long the loop may sleep: until the next block, the last moment to play one, or the loader's answer."""
        wait_s = min(self._microphone.due_in_s(), 0.01 if self._slot.busy else HEARTBEAT_S)
        last_moment_s = self._playback.due_in_s()
        return wait_s if last_moment_s is None else min(wait_s, last_moment_s)

    def _process_block(self, captured: AudioBlock) -> None:
        self._parameters.move()
        block = self._strip.process_input(np.ascontiguousarray(captured.samples[:, 0], np.float32))
        self._playback.submit(self._figures.blocks, block, self._dry.process(block), captured.captured_at)
        self._figures.blocks += 1

    def _play_ready(self) -> bool:
        """Play the blocks that are ready, or can wait no longer; whether there was any."""
        played = False
        while (due := self._playback.next_block()) is not None:
            out = self._strip.process_output(due.samples, due.dry)
            self._speaker.write(out[:, None])
            if self._recording_tap is not None:
                self._recording_tap.collect(out, due.captured_at + self._figures.transit_s())
            played = True
        return played

    def _handle_result(self, result: VoiceResult) -> None:
        if result.compute_s is not None:
            self._figures.add_computed(result.compute_s)
        for failure in result.failures:
            self._voice_failed(failure.voice, failure.why)
        if result.note:
            self._note(result.note)
        for cue_index in result.arrived:
            self._arriving = None if cue_index == self._arriving else self._arriving
            self._send_on_stage(cue_index)

    # ---- cues and other commands

    def handle(self, command: Command) -> None:
        """A command that cannot be done is told, and ends nothing."""
        try:
            self._handle(command)
        except Exception as error:  # whatever a show or a hand asks for, the sound goes on
            self._note(f"{type(command).__name__} could not be done: {error_text(error)}")

    def _handle(self, command: Command) -> None:
        if isinstance(command, Prepare):
            self._slot.prepare(command.model)
        elif isinstance(command, Forget):
            self._slot.forget(command.model)
        elif isinstance(command, Go):
            self._go(command)
        elif isinstance(command, Panic):
            self._strip.set_panic(command.on)
        elif isinstance(command, SetParameter):
            self._parameters.set(command.name, command.value)
        elif isinstance(command, Reload):
            self._reload(command)

    def _go(self, go: Go) -> None:
        hung = go.model in self._hung
        try:
            self._slot.go(go.model)
        except NotReady as error:
            if not hung:
                self._note(str(error))
                return
            self._put_substitute()
        self._returning = None
        if hung:
            self._load_anew(go.model)
        self._failed, self._arriving = [], go.cue_index
        self._missed_before = self._misses.total
        self._misses.restart()
        self._substitute.silent_cue = go.model == "silence"
        self._change_voice(go.transition_s)
        self._parameters.start_cue(go.set, go.transition_s)
        if not self._started:
            self._started = True
            self._strip.start()
        if isinstance(self._microphone, NullMicrophone):
            self._send_on_stage(go.cue_index)  # there is no block to wait for

    def _change_voice(self, fade_s: float) -> None:
        """Let the slot's voice come on, for the cue that has not arrived yet."""
        voice, cue_index = self._slot.current, self._arriving
        assert voice is not None
        self._runner.call_soon(lambda mixer: mixer.change(voice, fade_s, cue_index))

    # ---- voices that fail

    def _voice_failed(self, voice: Voice | None, why: str) -> None:
        """A voice that raised, gave no sound, or is too slow. Where it is the cue's own, the show's substitute is
        played until the next cue; one that was fading out is gone a little sooner."""
        voice = voice or self._slot.current
        key = self._key_of(voice)
        if voice is None or key in ("bypass", "silence") or any(voice is failed for failed in self._failed):
            return
        self._failed.append(voice)
        if voice is not self._slot.current:
            self._runner.call_soon(lambda mixer: mixer.drop(voice))
            self._note_voice(key, f"{why}; it was fading out")
            return
        substitute = self._put_substitute()
        self._runner.call_soon(lambda mixer: mixer.cut(substitute))
        self._note_voice(key, why, "until the next cue")

    def _replace_thread(self) -> None:
        """The voice's thread hangs: go on with another. The newest cue performs, with the show's substitute where it is
        its own voice that hangs."""
        voice = self._runner.at_fault
        key, performs = self._key_of(voice), voice is self._slot.current
        if performs:
            self._put_substitute()
        if key not in ("bypass", "silence"):
            self._slot.forget(key)
            self._hung.add(key)
            self._give_up_or_load_anew(key, performs)
        self._runner.replace()
        self._playback.give_up()
        self._play_ready()
        self._misses.restart()  # those were the old one's
        if self._slot.current is not None:
            self._change_voice(0.0)
            self._parameters.set_again()

    def _give_up_or_load_anew(self, key: str, performs: bool) -> None:
        """A voice has hung: where it is the newest cue's own it is loaded anew, once."""
        at, before = self._clock(), self._hung_at.get(key, float("-inf"))
        self._hung_at[key] = at
        if performs and at - before > HANGS_AGAIN_S:
            self._load_anew(key)
            return
        self._note_voice(key, "it does not answer, and is given up", "until the next cue" if performs else "")

    def _load_anew(self, key: str) -> None:
        self._returning = key
        self._slot.prepare(key)
        self._note_voice(key, "it does not answer, and is loaded anew", "until it is there")

    def _return(self, answer: Ready | Refused) -> None:
        """The newest cue's own voice has been loaded anew, or could not be."""
        self._returning = None
        if isinstance(answer, Refused):
            self._note_voice(answer.model, answer.why, "until the next cue")
            return
        self._slot.go(answer.model)
        self._misses.restart()
        self._change_voice(0.0)
        self._parameters.set_again()
        self._note_voice(answer.model, "it is loaded anew, and performs again")

    def _put_substitute(self) -> Voice:
        """Into the slot, as the voice that performs."""
        dry = self._substitute.sound_miss == "dry" and not self._substitute.silent_cue
        voice = Dry() if dry else Silence("silence")
        self._slot.put(voice.name, voice)
        self._slot.go(voice.name)
        self._substitute.change_source()
        return voice

    @property
    def _subject(self) -> str:
        """Of the note that says what is played."""
        return "the performer's own voice is" if self._substitute.sound_miss == "dry" else "silence is"

    def _key_of(self, voice: Voice | None) -> str:
        """As the operator knows it."""
        if voice is self._slot.current:
            return self._slot.current_key or "silence"
        known = (key for key in self._slot.loaded if self._slot.model(key) is voice)
        return next(known, "silence" if voice is None else voice.name)

    def _make_mixer(self) -> VoiceMixer:
        settings = self._settings
        latency_samples = self._loader.latency_samples
        return VoiceMixer(settings.sample_rate, settings.block, latency_samples, real_time=self._real_time)

    def _reload(self, show: Reload) -> None:
        """A reloaded show may name slower voices: then everything changes to the new latency at once."""
        self._substitute.sound_miss = show.sound_miss
        if self._loader.raise_latency(show.voices):
            latency_samples = self._loader.latency_samples
            self._dry.set(latency_samples)
            self._runner.call_soon(lambda mixer: mixer.raise_latency(latency_samples))

    # ---- events, metrics, report

    def send_events(self) -> None:
        """Send what the loader has finished, and the newest trouble of a device or file."""
        for event in self._slot.answers():
            self._hung -= {event.model} if isinstance(event, Ready) else set()
            if event.model == self._returning:
                self._return(event)
            self._send(event)
        trouble = self._microphone.trouble or self._speaker.trouble
        if trouble and trouble != self._last_trouble:
            self._last_trouble = trouble
            self._note(trouble)

    def _note_voice(self, key: str, what: str, substituted: str = "") -> None:
        """substituted: until when the substitute is played."""
        instead = f"; {self._subject} played {substituted}" if substituted else ""
        self._note(f"voice {file_name(key)}: {what}{instead}")

    def _note(self, text: str) -> None:
        self._send(Note(text))

    def _send_on_stage(self, cue_index: int) -> None:
        missing = (self._misses.total - self._missed_before) * self._settings.block
        self._send(OnStage(cue_index, self._clock(), gap_samples=missing))

    def metrics(self) -> SoundMetrics:
        """For the screen."""
        return self._figures.metrics(self._slot.current_key, self.priority)

    def report(self) -> EngineReport:
        """The "audio" part of the report."""
        return self._figures.report()

    def finish(self) -> None:
        """Send what is left to be sent. Never waits."""
        if self._recording_tap is not None:
            self._recording_tap.flush()
        self.send_events()

    def close(self) -> None:
        """May wait for a device, a disk, or a voice."""
        self.finish()
        self._runner.close()
        self._microphone.close()
        self._speaker.close()
        self._slot.close()


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
    engine = SoundEngine(settings, microphone, speaker, link.send, wake=link.wake, begin_voice=raise_priority)
    prepare_process()
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
            engine.send_events()
            if now() - beat_at >= HEARTBEAT_S:
                beat_at = now()
                link.send(Heartbeat(beat_at, engine.metrics()))
            wait_s = engine.due_in_s()
            if wait_s > 0:
                link.wait(wait_s)
        engine.finish()
        link.send(Finished(why, engine.report()))  # the report is there, whatever hangs when it is closed
    finally:
        engine.close()
