"""Microphones and loudspeakers through PortAudio. rtmixer's C callback moves samples between ring buffers and the
device: no Python runs in the audio thread.

`Devices` belongs to the engine's loop, which never waits: a thread of its own opens the streams, checks them,
compensates the drift between two of them, and looks for a lost device, by name, every 2 s. PortAudio knows only the
devices that were there when it was initialised, and initialising it again closes all streams: so while one side still
runs, another process probes whether the other is back.

The latency is counted and not estimated. In one stream for both ends as many samples come in as go out, so the number
of samples in both rings stays what it was when the sound began. With two streams, or a file at one end, it is what the
drift control holds.
"""

from __future__ import annotations

import contextlib
import math
import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from live.process.frames import Samples, now
from live.sound.drift import DriftResampler, Feed
from live.sound.level import sanitise
from live.sound.portaudio import NoDevice, explain, find_device, load_portaudio, probe_in_subprocess

RETRY_S = 2.0
SILENT_S = 2.5
"""A stream without a callback for this long is gone. Sound servers on a busy machine pause for up to 2 s."""
SET_POINT_BLOCKS = 2
"""What a loudspeaker has buffered when a block arrives in time: the loop may be late by so much."""
WATCH_S = 0.25
_RING_SAMPLES = 1 << 15
_SURVEY_S = 1.5
_SURVEYS = 6
_MAX_LATENCY_S = 1.0


class _Stream:
    """An open rtmixer stream, and the statistics of its driver."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.xruns = 0
        self._stats_action: Any = None
        self._asked_at = 0.0

    def alive(self, at: float) -> bool:
        """Whether the stream still runs; also counts what the driver has lost since the last call. rtmixer's callback
        collects the figures, and an action delivers them; a callback that delivers nothing for SILENT_S is dead."""
        if self._stats_action is not None and self._stats_action in self.stream.actions:
            return bool(self.stream.active) and at - self._asked_at < SILENT_S
        if self._stats_action is not None:
            lost = self._stats_action.stats
            self.xruns += lost.input_overflows + lost.input_underflows
            self.xruns += lost.output_underflows + lost.output_overflows
        self._stats_action, self._asked_at = self.stream.fetch_and_reset_stats(), at
        return bool(self.stream.active)

    def survey(self, has_in: bool, has_out: bool, clock: Callable[[], float]) -> tuple[int, int, float, float]:
        """Measure the stream; takes about 0.2 s.

        Returns:
            The least and the most samples of a callback; the latency of the device's input and of its output, in
            seconds, by the driver's own times for one and the same callback.

        Raises:
            NoDevice: the stream opened but no callback comes.
        """
        stream, latencies, sizes = self.stream, [], []
        until = clock() + _SURVEY_S
        stated = np.broadcast_to(np.atleast_1d(np.asarray(stream.latency, float)), 2)
        for _ in range(_SURVEYS):
            recorded = stream.record_buffer(bytearray(4), 1) if has_in else None
            played = stream.play_buffer(np.zeros(1, np.float32), 1) if has_out else None
            called = stream.fetch_and_reset_stats()
            while called in stream.actions:
                if clock() > until:
                    raise NoDevice("it opened but does not run; choose another device")
                threading.Event().wait(0.005)
            sizes.append((called.stats.min_blocksize, called.stats.max_blocksize))
            latencies.append(
                (
                    stated[0] if recorded is None else called.actual_time - recorded.actual_time,
                    stated[1] if played is None else played.actual_time - called.actual_time,
                )
            )
            threading.Event().wait(0.02)
        latency_s = [
            float(measured if 0 <= measured < _MAX_LATENCY_S else declared)
            for measured, declared in zip(np.median(latencies, axis=0), stated, strict=True)
        ]
        return min(size[0] for size in sizes[1:]), max(size[1] for size in sizes[1:]), latency_s[0], latency_s[1]

    def close(self) -> None:
        with contextlib.suppress(Exception):  # a lost device cannot be closed properly
            self.stream.abort()
        with contextlib.suppress(Exception):
            self.stream.close()


class _Side:
    """One end of a stream: a ring buffer, and the rtmixer action that moves its samples."""

    def __init__(self, rtmixer: Any, stream: _Stream, channels: int, rate: float) -> None:
        self.stream = stream
        self.channels = channels
        self.rate = rate
        self.ring = rtmixer.RingBuffer(4 * channels, _RING_SAMPLES)
        self.action: Any = None
        self.max_step = 0
        """The most samples that its callback moves at once; for a loudspeaker that shares its stream with the
        microphone, the most that may be left over from a block."""
        self.latency_s = 0.0
        """That of the device alone."""

    @property
    def runs(self) -> bool:
        return self.action is not None and self.action in self.stream.stream.actions

    def record(self) -> None:
        self.ring.advance_read_index(self.ring.read_available)
        self.action = self.stream.stream.record_ringbuffer(self.ring)

    def play(self, silence: int) -> None:
        """Start with this many samples of silence; what was left in the ring is discarded."""
        self.ring.advance_read_index(self.ring.read_available)
        self.ring.write(np.zeros((silence, self.channels), np.float32))
        self.action = self.stream.stream.play_ringbuffer(self.ring)


class Devices:
    """A microphone, a loudspeaker, or both. Either may be "" for none."""

    def __init__(
        self,
        mic: str,
        speaker: str,
        sample_rate: int,
        block: int,
        on_status: Callable[[str, str], None],
        set_point_blocks: float = SET_POINT_BLOCKS,
    ) -> None:
        """
        Args:
            mic, speaker: a name for `find_device`, or "".
            on_status: called with ("lost", which and why), and with ("open", the names) when all are open, in the
                thread that opens them.
            set_point_blocks: what the loudspeaker has buffered when a block arrives in time.

        Raises:
            NoPortAudio: the library is missing.
        """
        self._sounddevice, self._rtmixer = load_portaudio()
        self._wanted = {kind: name for kind, name in (("input", mic), ("output", speaker)) if name}
        self._sample_rate, self._block = sample_rate, block
        self._set_point_s = set_point_blocks * block / sample_rate
        self._on_status = on_status
        self._lock = threading.Lock()
        self._in: _Side | None = None
        self._out: _Side | None = None
        self._feed: Feed | None = None
        self._input_resampler: DriftResampler | None = None
        self._pending_input = np.zeros(0, np.float32)
        self._next_captured_at: float | None = None
        self._target_samples = 0.0
        self._unwritten = 0
        self._drift_updated_at = 0.0
        self._past_xruns = {"input": 0, "output": 0}
        self._reported: set[str] = set()
        self._mic_latency_s = 0.0
        self._speaker_latency_s = self._set_point_s
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sound devices", daemon=True)
        self._thread.start()

    # ---- the engine's loop

    @property
    def name(self) -> str:
        return " -> ".join(self._wanted.values())

    @property
    def open(self) -> bool:
        return not self._missing()

    @property
    def mic_latency_s(self) -> float:
        """From the air to the ring buffer."""
        return self._mic_latency_s

    @property
    def speaker_latency_s(self) -> float:
        """From a block written in time to the air, the set point included."""
        return self._speaker_latency_s

    @property
    def mic_xruns(self) -> int:
        side = self._in
        return self._past_xruns["input"] + (side.stream.xruns if side else 0)

    @property
    def speaker_xruns(self) -> int:
        """In one stream for both ends the driver's xruns count as the microphone's."""
        side, feed = self._out, self._feed
        own = side is not None and not self._shared
        return self._past_xruns["output"] + (side.stream.xruns if side and own else 0) + (feed.skips if feed else 0)

    @property
    def driver_xruns(self) -> int:
        """Those of the xruns that the drivers of the open streams report."""
        return sum(stream.xruns for stream in {side.stream for _, side in self._sides()})

    @property
    def drift_ppm(self) -> float | None:
        """By how much the blocks come faster than the loudspeaker plays; None where both have one clock."""
        feed = self._feed
        return feed.control.ppm if feed and feed.control else None

    def buffered_s(self) -> float:
        """How long what was written will last at least; the set point while nothing plays that could run dry."""
        with self._lock:
            side = self._out
            if side is None or not side.runs:
                return self._set_point_s
            # A callback of another clock may come at any moment and take a whole step.
            certain = side.ring.read_available - (0 if self._shared else side.max_step)
            return float(max(certain, 0) / side.rate)

    def due_in_s(self) -> float:
        """How long until a block of the microphone may be complete."""
        side = self._in
        if side is None:
            return 0.05
        missing = self._samples_needed() - side.ring.read_available
        return min(max(missing / side.rate, 0.001), 0.05) if missing > 0 else 0.0

    def read(self) -> tuple[Samples, float] | None:
        """The next block of the microphone, (block, 1), and when its first sample was in the air, or None."""
        with self._lock:
            side = self._in
            if side is None:
                return None
            available = side.ring.read_available
            if available < self._samples_needed():
                return None
            captured_at = now() - (available - side.max_step) / side.rate - self._mic_latency_s
            captured_at -= len(self._pending_input) / self._sample_rate
            raw = np.frombuffer(side.ring.read(self._samples_needed()), np.float32).reshape(-1, side.channels)
            fresh = np.asarray(raw.mean(axis=1), np.float32)
            if self._input_resampler is not None:
                fresh = self._input_resampler.process(sanitise(fresh)[0], side.rate / self._sample_rate)
            samples = np.concatenate([self._pending_input, fresh])
            self._pending_input = samples[self._block :]
            self._unwritten += self._block
            return samples[: self._block, None], self._smoothed_time(captured_at)

    def write(self, samples: Samples) -> None:
        """Play a block, (block, 1)."""
        with self._lock:
            side, feed = self._out, self._feed
            if side is None or feed is None:
                return
            if not side.runs and not self._restart_output(side, feed, len(samples)):
                return
            self._unwritten = max(self._unwritten - len(samples), 0)
            output = feed.process(samples[:, 0], (self._in_flight(side) - self._target_samples) / side.rate)
            side.ring.write(np.ascontiguousarray(np.repeat(output[:, None], side.channels, axis=1)))

    def close(self) -> None:
        self._closing.set()
        self._thread.join(5.0)

    def _samples_needed(self) -> int:
        """How many of the device's samples the next block needs."""
        if self._input_resampler is None or self._in is None:
            return self._block
        return math.ceil((self._block - len(self._pending_input)) * self._in.rate / self._sample_rate) + 1

    def _smoothed_time(self, captured_at: float) -> float:
        """Independent of the moment of the call: callbacks come late, never early, so the earliest time is right."""
        block_s = self._block / self._sample_rate
        if self._next_captured_at is not None and abs(captured_at - self._next_captured_at) < 0.1:
            captured_at = min(captured_at, self._next_captured_at + 1e-3 * block_s)
        self._next_captured_at = captured_at + block_s
        return captured_at

    @property
    def _shared(self) -> bool:
        return self._in is not None and self._out is not None and self._in.stream is self._out.stream

    def _in_flight(self, out: _Side) -> float:
        """The sound in the rings on both sides of the engine, in samples of the loudspeaker."""
        in_flight = float(out.ring.read_available)
        if self._in is not None:
            in_flight += self._in.ring.read_available * out.rate / self._in.rate
            in_flight += len(self._pending_input) * out.rate / self._sample_rate
        return in_flight

    def _restart_output(self, side: _Side, feed: Feed, count: int) -> bool:
        """rtmixer drops its action when the ring runs dry: refill it to the set point with silence and start a new
        action. False while more than that is already in flight: a later block starts it."""
        if side.action is not None:
            self._past_xruns["output"] += 1
            side.action = None
        side.ring.advance_read_index(side.ring.read_available)
        silence = self._target_samples - self._in_flight(side)
        if silence < 0:
            return False
        side.play(round(silence))
        feed.restart()
        self._unwritten = count
        self._drift_updated_at = now()
        return True

    # ---- the thread that opens and checks the streams

    def _run(self) -> None:
        again = False
        checked_at = tried_at = -math.inf
        while not self._closing.is_set():
            at = now()
            if self._missing() and at - tried_at >= RETRY_S:
                self._reopen(again)
                again, tried_at = True, now()
            if at - checked_at >= WATCH_S:
                self.check_streams()
                checked_at = at
            self._update_drift()
            # At random times, so that the level of a ring that callbacks move in steps is right on average.
            drifts = self._feed is not None and self._feed.control is not None
            self._closing.wait(random.uniform(0.005, 0.015) if drifts else 0.1)
        self._close_sides(["input", "output"])

    def check_streams(self) -> None:
        """Close streams that are dead, and start recording again where the microphone's ring has run full."""
        with self._lock:
            dead = [kind for kind, side in self._sides() if not side.stream.alive(now())]
            if self._in is not None and not self._in.runs:
                self._past_xruns["input"] += 1  # it was not read in time
                self._in.record()
        for kind in dead:  # outside the lock: closing a lost device may take long
            self._lost(kind, f"{self._described(kind)} stopped")

    def _update_drift(self) -> None:
        with self._lock:
            side, feed = self._out, self._feed
            if side is None or feed is None or feed.control is None or not side.runs:
                return
            at, block = now(), self._block * side.rate / self._sample_rate
            in_flight = self._in_flight(side)
            # Between two blocks of a file, half a block is here on average; those of a device are always in a ring or
            # between `read` and `write`.
            in_flight += self._unwritten * side.rate / self._sample_rate - block if self._in else -block / 2
            feed.control.update((in_flight - self._target_samples) / side.rate, at - self._drift_updated_at)
            self._drift_updated_at = at

    def _missing(self) -> list[str]:
        present = [kind for kind, _ in self._sides()]
        return [kind for kind in self._wanted if kind not in present]

    def _sides(self) -> list[tuple[str, _Side]]:
        return [(kind, side) for kind, side in (("input", self._in), ("output", self._out)) if side is not None]

    def _described(self, kind: str) -> str:
        return f'{"microphone" if kind == "input" else "loudspeaker"} "{self._wanted[kind]}"'

    def _lost(self, kind: str, why: str) -> None:
        self._close_sides([kind])
        if kind not in self._reported and not self._closing.is_set():
            self._reported.add(kind)
            self._on_status("lost", why)

    def _reopen(self, again: bool) -> None:
        """Open what is missing, and reopen what runs: one stream for both is worth the interruption."""
        missing = self._missing()
        if self._sides():
            for kind in missing:
                if why := probe_in_subprocess(self._wanted[kind], kind, self._closing):
                    self._lost(kind, why)
                    return
        self._close_sides(["input", "output"])
        if again:
            self._sounddevice._terminate()
            self._sounddevice._initialize()
        try:
            self._open_wanted()
        except Exception as error:  # PortAudio raises many kinds; all mean that it is not available now
            self._lost(missing[0], explain(error))
        if not self._missing() and not self._closing.is_set():
            self._reported.clear()
            self._on_status("open", self.name)

    def _open_wanted(self) -> None:
        found: dict[str, Any] = {}
        for kind, name in self._wanted.items():
            try:
                found[kind] = find_device(self._sounddevice, name, kind)
            except NoDevice as error:
                self._lost(kind, str(error))
        sides: dict[str, _Side] = {}
        if len(found) == 2 and found["input"]["index"] == found["output"]["index"]:
            with contextlib.suppress(NoDevice, self._sounddevice.PortAudioError):
                sides = self._open_both(found["input"])
        for kind, device in found.items():
            if kind not in sides:
                try:
                    sides[kind] = self._open_one(kind, device)
                except NoDevice as error:
                    self._lost(kind, str(error))
        self._use(sides.get("input"), sides.get("output"))

    def _open_both(self, device: Any) -> dict[str, _Side]:
        """One stream, one clock. Raises NoDevice, PortAudioError."""
        for rate, ins, outs in self._formats(device):
            with contextlib.suppress(self._sounddevice.PortAudioError):
                pair = {"device": (device["index"],) * 2, "channels": (ins, outs)}
                stream = _Stream(self._rtmixer.MixerAndRecorder(**pair, **_shape(rate)))
                least, most, input_s, output_s = self._started(stream, True, True)
                sides = {
                    "input": _Side(self._rtmixer, stream, ins, rate),
                    "output": _Side(self._rtmixer, stream, outs, rate),
                }
                for side, late_s in zip(sides.values(), (input_s, output_s), strict=True):
                    side.max_step, side.latency_s = most, late_s
                if least == most and rate == self._sample_rate:
                    # Callbacks of one size leave no more over from a block than their greatest common divisor allows.
                    sides["output"].max_step = most - math.gcd(most, self._block)
                return sides
        raise NoDevice("no stream for both")

    def _open_one(self, kind: str, device: Any) -> _Side:
        """Raises NoDevice; the message says what is wrong and what to do."""
        recorded = kind == "input"
        make = self._rtmixer.Recorder if recorded else self._rtmixer.Mixer
        first: Exception | None = None
        for rate, ins, outs in self._formats(device):
            channels = ins if recorded else outs
            try:
                stream = _Stream(make(device=device["index"], channels=channels, **_shape(rate)))
                _, most, input_s, output_s = self._started(stream, recorded, not recorded)
            except (NoDevice, self._sounddevice.PortAudioError) as error:
                first = first or error
                continue
            side = _Side(self._rtmixer, stream, channels, rate)
            side.max_step, side.latency_s = most, input_s if recorded else output_s
            return side
        raise NoDevice(f"{self._described(kind)} cannot be opened: {explain(first)}")

    def _formats(self, device: Any) -> Iterator[tuple[float, int, int]]:
        """Rates and channels (in, out) to try: the engine's rate, then the device's; few channels, then all."""
        ins, outs = int(device["max_input_channels"]), int(device["max_output_channels"])
        for rate in dict.fromkeys((float(self._sample_rate), float(device["default_samplerate"]))):
            yield from dict.fromkeys((rate, i, o) for i, o in ((1, min(2, outs)), (min(2, ins), 1), (ins, outs)))

    def _started(self, stream: _Stream, has_in: bool, has_out: bool) -> tuple[int, int, float, float]:
        try:
            stream.stream.start()
            return stream.survey(has_in, has_out, now)
        except Exception:
            stream.close()
            raise

    def _use(self, inside: _Side | None, outside: _Side | None) -> None:
        """Read from and write to these from now on."""
        with self._lock:
            self._in, self._out = inside, outside
            self._pending_input, self._next_captured_at, self._unwritten = np.zeros(0, np.float32), None, 0
            self._input_resampler = None
            self._mic_latency_s = 0.0
            if inside is not None:
                if inside.rate != self._sample_rate:
                    self._input_resampler = DriftResampler(inside.rate / self._sample_rate)
                late = self._input_resampler.latency_samples if self._input_resampler else 0
                self._mic_latency_s = inside.latency_s + late / inside.rate
                inside.record()
            if outside is not None:
                self._set_target(inside, outside)

    def _set_target(self, inside: _Side | None, outside: _Side) -> None:
        """Set how much is to be in flight when a block is written, and the latency of that.

        Where callbacks have clocks of their own, the level of a ring differs by half a callback, on average, from where
        the sound is.
        """
        if self._feed is not None:
            self._past_xruns["output"] += self._feed.skips
        shared = self._shared
        output_step_s = outside.max_step / outside.rate
        input_step_s = inside.max_step / inside.rate if inside is not None and not shared else 0.0
        # The estimated drift belongs to the devices: it is kept where only the streams are new.
        control = self._feed.control if self._feed is not None else None
        tolerance_s = 0.001 if shared else 0.001 + output_step_s + input_step_s
        self._feed = Feed(self._sample_rate, outside.rate, max(self._set_point_s, tolerance_s), not shared, tolerance_s)
        if self._feed.control is not None and control is not None:
            self._feed.control = control
        self._target_samples = (self._set_point_s + output_step_s + input_step_s) * outside.rate
        late_s = self._target_samples / outside.rate + (0.0 if shared else (output_step_s - input_step_s) / 2)
        self._speaker_latency_s = late_s + outside.latency_s + self._feed.latency_s

    def _close_sides(self, kinds: list[str]) -> None:
        """Close these sides, and where both share a stream the other, too."""
        with self._lock:
            gone = [side for kind, side in self._sides() if kind in kinds or self._shared]
            for kind, side in self._sides():
                if side in gone and not (kind == "output" and self._shared):
                    self._past_xruns[kind] += side.stream.xruns
            if self._in in gone:
                self._in = None
            if self._out in gone:
                self._out = None
        for stream in {id(side.stream): side.stream for side in gone}.values():
            stream.close()


def _shape(rate: float) -> dict[str, Any]:
    return {"samplerate": rate, "blocksize": 0, "latency": "low"}


class DeviceMicrophone:
    """The microphone's side of Devices, as an AudioInput."""

    missed = 0
    trouble = ""

    def __init__(self, devices: Devices) -> None:
        self._devices = devices
        self.name = devices.name

    @property
    def latency_s(self) -> float:
        return self._devices.mic_latency_s

    @property
    def xruns(self) -> int:
        return self._devices.mic_xruns

    def due_in_s(self) -> float:
        return self._devices.due_in_s()

    def read(self) -> tuple[Samples, float] | None:
        return self._devices.read()

    def close(self) -> None:
        self._devices.close()


class DeviceSpeaker:
    """The loudspeaker's side of Devices, as an AudioOutput."""

    trouble = ""

    def __init__(self, devices: Devices) -> None:
        self._devices = devices
        self.name = devices.name

    @property
    def latency_s(self) -> float:
        return self._devices.speaker_latency_s

    @property
    def xruns(self) -> int:
        return self._devices.speaker_xruns

    @property
    def drift_ppm(self) -> float | None:
        return self._devices.drift_ppm

    def buffered_s(self) -> float:
        return self._devices.buffered_s()

    def write(self, samples: Samples) -> None:
        self._devices.write(samples)

    def close(self) -> None:
        self._devices.close()
