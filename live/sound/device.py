"""Real microphones and loudspeakers through PortAudio. rtmixer's C callback moves samples between rings and
the device: no Python runs in the audio thread.

`Devices` belongs to the engine's loop, which never waits: a thread of its own opens the streams, watches them, steers
the drift between two of them, and looks again for what is gone, by name, every 2 s. PortAudio knows only the devices
that were there when it was initialised, and looking again closes all streams: so while one side still runs, another
process looks whether the other is back.

How late it is, is counted and not guessed. In one stream for both ends as many samples come in as go out, so what lies
in both rings together stays what it was when the sound began. With two streams, or a file at one end, it is what the
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
from live.sound.portaudio import NoDevice, find_device, load_portaudio, look_from_outside, reason

RETRY_S = 2.0
SILENT_S = 2.5
"""A stream that called back no more for this long is gone. Sound servers on a busy machine pause for up to 2 s."""
SET_POINT_BLOCKS = 2
"""What a loudspeaker holds in hand when a block arrives in time: what the loop may be late."""
WATCH_S = 0.25
_RING_SAMPLES = 1 << 15
_SURVEY_S = 1.5
_SURVEYS = 6
_MOST_LATENCY_S = 1.0


class _Stream:
    """An open stream of rtmixer's and what its driver says of it."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.xruns = 0
        self._asked: Any = None
        self._asked_at = 0.0

    def alive(self, at: float) -> bool:
        """Counts what the driver says it lost since the last call: rtmixer's callback collects it, an action brings
        it here. A callback that brings nothing for SILENT_S is dead."""
        if self._asked is not None and self._asked in self.stream.actions:
            return bool(self.stream.active) and at - self._asked_at < SILENT_S
        if self._asked is not None:
            lost = self._asked.stats
            self.xruns += lost.input_overflows + lost.input_underflows
            self.xruns += lost.output_underflows + lost.output_overflows
        self._asked, self._asked_at = self.stream.fetch_and_reset_stats(), at
        return bool(self.stream.active)

    def survey(self, has_in: bool, has_out: bool, clock: Callable[[], float]) -> tuple[int, int, float, float]:
        """Least and most samples of a callback; how late the device hears and plays, in seconds, by the driver's own
        times for one and the same callback. Takes about 0.2 s.

        Raises:
            NoDevice: it does not move.
        """
        stream, latencies, sizes = self.stream, [], []
        until = clock() + _SURVEY_S
        stated = np.broadcast_to(np.atleast_1d(np.asarray(stream.latency, float)), 2)
        for _ in range(_SURVEYS):
            heard = stream.record_buffer(bytearray(4), 1) if has_in else None
            played = stream.play_buffer(np.zeros(1, np.float32), 1) if has_out else None
            called = stream.fetch_and_reset_stats()
            while called in stream.actions:
                if clock() > until:
                    raise NoDevice("it opened but does not run; choose another device")
                threading.Event().wait(0.005)
            sizes.append((called.stats.min_blocksize, called.stats.max_blocksize))
            latencies.append(
                (
                    stated[0] if heard is None else called.actual_time - heard.actual_time,
                    stated[1] if played is None else played.actual_time - called.actual_time,
                )
            )
            threading.Event().wait(0.02)
        told = [
            float(found if 0 <= found < _MOST_LATENCY_S else said)
            for found, said in zip(np.median(latencies, axis=0), stated, strict=True)
        ]
        return min(size[0] for size in sizes[1:]), max(size[1] for size in sizes[1:]), told[0], told[1]

    def close(self) -> None:
        with contextlib.suppress(Exception):  # a device that is gone cannot be closed in order
            self.stream.abort()
        with contextlib.suppress(Exception):
            self.stream.close()


class _Side:
    """One end: a ring, and the action that moves it."""

    def __init__(self, rtmixer: Any, stream: _Stream, channels: int, rate: float) -> None:
        self.stream = stream
        self.channels = channels
        self.rate = rate
        self.ring = rtmixer.RingBuffer(4 * channels, _RING_SAMPLES)
        self.action: Any = None
        self.grain = 0
        """The most samples that its callback moves at once; of a loudspeaker in one stream with the microphone, the
        most that may be left over from a block."""
        self.latency_s = 0.0
        """The device's own."""

    @property
    def runs(self) -> bool:
        return self.action is not None and self.action in self.stream.stream.actions

    def record(self) -> None:
        self.ring.advance_read_index(self.ring.read_available)
        self.action = self.stream.stream.record_ringbuffer(self.ring)

    def play(self, silence: int) -> None:
        """Begin with this many samples of silence, whatever was left in the ring."""
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
        say: Callable[[str, str], None],
        set_point_blocks: float = SET_POINT_BLOCKS,
    ) -> None:
        """
        Args:
            mic, speaker: what `find_device` finds, or "".
            say: told ("lost", which and why) and ("open", their names) when all of them are, in a thread of its own.
            set_point_blocks: what the loudspeaker holds in hand when a block arrives in time.

        Raises:
            NoPortAudio
        """
        self._sounddevice, self._rtmixer = load_portaudio()
        self._wanted = {kind: name for kind, name in (("input", mic), ("output", speaker)) if name}
        self._sample_rate, self._block = sample_rate, block
        self._set_point_s = set_point_blocks * block / sample_rate
        self._say = say
        self._guard = threading.Lock()
        self._in: _Side | None = None
        self._out: _Side | None = None
        self._feed: Feed | None = None
        self._hearing: DriftResampler | None = None
        self._heard = np.zeros(0, np.float32)
        self._next_at: float | None = None
        self._target = 0.0
        self._held = 0
        self._steered_at = 0.0
        self._past_xruns = {"input": 0, "output": 0}
        self._told: set[str] = set()
        self._mic_latency_s = 0.0
        self._speaker_latency_s = self._set_point_s
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._keep_open, name="sound devices", daemon=True)
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
        """From the air to the ring."""
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
        """Of one stream for both the driver's are the microphone's."""
        side, feed = self._out, self._feed
        own = side is not None and not self._shared
        return self._past_xruns["output"] + (side.stream.xruns if side and own else 0) + (feed.skips if feed else 0)

    @property
    def driver_xruns(self) -> int:
        """Of the xruns, those that the drivers of the streams now open tell of."""
        return sum(stream.xruns for stream in {side.stream for _, side in self._sides()})

    @property
    def drift_ppm(self) -> float | None:
        """By how much the blocks come faster than the loudspeaker plays; None where there is one clock."""
        feed = self._feed
        return feed.control.ppm if feed and feed.control else None

    def in_hand_s(self) -> float:
        """How long what was written will last at least; the set point where nothing plays that could run dry."""
        with self._guard:
            side = self._out
            if side is None or not side.runs:
                return self._set_point_s
            # Another clock's callback may come at any moment and take its share at once.
            sure = side.ring.read_available - (0 if self._shared else side.grain)
            return float(max(sure, 0) / side.rate)

    def due_in_s(self) -> float:
        """How long until a block of the microphone's may be whole."""
        side = self._in
        if side is None:
            return 0.05
        missing = self._lacking() - side.ring.read_available
        return min(max(missing / side.rate, 0.001), 0.05) if missing > 0 else 0.0

    def read(self) -> tuple[Samples, float] | None:
        """The next block of the microphone, (block, 1), and when its first sample was in the air, or None."""
        with self._guard:
            side = self._in
            if side is None:
                return None
            behind = side.ring.read_available
            if behind < self._lacking():
                return None
            spoken_at = now() - (behind - side.grain) / side.rate - self._mic_latency_s
            spoken_at -= len(self._heard) / self._sample_rate
            raw = np.frombuffer(side.ring.read(self._lacking()), np.float32).reshape(-1, side.channels)
            fresh = np.asarray(raw.mean(axis=1), np.float32)
            if self._hearing is not None:
                fresh = self._hearing.process(sanitise(fresh)[0], side.rate / self._sample_rate)
            heard = np.concatenate([self._heard, fresh])
            self._heard = heard[self._block :]
            self._held += self._block
            return heard[: self._block, None], self._steady(spoken_at)

    def write(self, samples: Samples) -> None:
        """Play a block, (block, 1)."""
        with self._guard:
            side, feed = self._out, self._feed
            if side is None or feed is None:
                return
            if not side.runs and not self._begin(side, feed, len(samples)):
                return
            self._held = max(self._held - len(samples), 0)
            played = feed.process(samples[:, 0], (self._waiting(side) - self._target) / side.rate)
            side.ring.write(np.ascontiguousarray(np.repeat(played[:, None], side.channels, axis=1)))

    def close(self) -> None:
        self._closing.set()
        self._thread.join(5.0)

    def _lacking(self) -> int:
        """Samples of the device's that the next block needs."""
        if self._hearing is None or self._in is None:
            return self._block
        return math.ceil((self._block - len(self._heard)) * self._in.rate / self._sample_rate) + 1

    def _steady(self, spoken_at: float) -> float:
        """Whatever the moment of asking: callbacks come late, never early, so the earliest of all is right."""
        block_s = self._block / self._sample_rate
        if self._next_at is not None and abs(spoken_at - self._next_at) < 0.1:
            spoken_at = min(spoken_at, self._next_at + 1e-3 * block_s)
        self._next_at = spoken_at + block_s
        return spoken_at

    @property
    def _shared(self) -> bool:
        return self._in is not None and self._out is not None and self._in.stream is self._out.stream

    def _waiting(self, out: _Side) -> float:
        """Samples of the loudspeaker's on both sides of the engine."""
        waiting = float(out.ring.read_available)
        if self._in is not None:
            waiting += self._in.ring.read_available * out.rate / self._in.rate
            waiting += len(self._heard) * out.rate / self._sample_rate
        return waiting

    def _begin(self, side: _Side, feed: Feed, count: int) -> bool:
        """rtmixer drops its action when the ring runs dry: fill up to the set point and begin anew. False while there
        is newer sound to begin with."""
        if side.action is not None:
            self._past_xruns["output"] += 1
            side.action = None
        side.ring.advance_read_index(side.ring.read_available)
        silence = self._target - self._waiting(side)
        if silence < 0:
            return False
        side.play(round(silence))
        feed.begin()
        self._held = count
        self._steered_at = now()
        return True

    # ---- the thread that opens and watches

    def _keep_open(self) -> None:
        again = False
        seen_at = looked_at = -math.inf
        while not self._closing.is_set():
            at = now()
            if self._missing() and at - looked_at >= RETRY_S:
                self._look(again)
                again, looked_at = True, now()
            if at - seen_at >= WATCH_S:
                self.watch()
                seen_at = at
            self._steer()
            # At random, so that what is seen of a ring that callbacks move in steps is right on average.
            steers = self._feed is not None and self._feed.control is not None
            self._closing.wait(random.uniform(0.005, 0.015) if steers else 0.1)
        self._shut(["input", "output"])

    def watch(self) -> None:
        """Which streams are dead, and has the microphone's ring run full?"""
        with self._guard:
            dead = [kind for kind, side in self._sides() if not side.stream.alive(now())]
            if self._in is not None and not self._in.runs:
                self._past_xruns["input"] += 1  # nobody read
                self._in.record()
        for kind in dead:  # outside the guard: closing what is gone may take its time
            self._lost(kind, f"{self._called(kind)} stopped")

    def _steer(self) -> None:
        with self._guard:
            side, feed = self._out, self._feed
            if side is None or feed is None or feed.control is None or not side.runs:
                return
            at, block = now(), self._block * side.rate / self._sample_rate
            in_flight = self._waiting(side)
            # Between two blocks of a file's half a block lies here on average; a device's are always somewhere.
            in_flight += self._held * side.rate / self._sample_rate - block if self._in else -block / 2
            feed.control.update((in_flight - self._target) / side.rate, at - self._steered_at)
            self._steered_at = at

    def _missing(self) -> list[str]:
        here = [kind for kind, _ in self._sides()]
        return [kind for kind in self._wanted if kind not in here]

    def _sides(self) -> list[tuple[str, _Side]]:
        return [(kind, side) for kind, side in (("input", self._in), ("output", self._out)) if side is not None]

    def _called(self, kind: str) -> str:
        return f'{"microphone" if kind == "input" else "loudspeaker"} "{self._wanted[kind]}"'

    def _lost(self, kind: str, why: str) -> None:
        self._shut([kind])
        if kind not in self._told and not self._closing.is_set():
            self._told.add(kind)
            self._say("lost", why)

    def _look(self, again: bool) -> None:
        """Open what is missing; with it, what runs: one stream for both is worth the moment."""
        missing = self._missing()
        if self._sides():
            for kind in missing:
                if why := look_from_outside(self._wanted[kind], kind, self._closing):
                    self._lost(kind, why)
                    return
        self._shut(["input", "output"])
        if again:
            self._sounddevice._terminate()
            self._sounddevice._initialize()
        try:
            self._open()
        except Exception as error:  # PortAudio raises many kinds; all mean that it is not to be had now
            self._lost(missing[0], reason(error))
        if not self._missing() and not self._closing.is_set():
            self._told.clear()
            self._say("open", self.name)

    def _open(self) -> None:
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
        self._take(sides.get("input"), sides.get("output"))

    def _open_both(self, device: Any) -> dict[str, _Side]:
        """One stream, one clock. Raises NoDevice, PortAudioError."""
        for rate, ins, outs in self._ways(device):
            with contextlib.suppress(self._sounddevice.PortAudioError):
                pair = {"device": (device["index"],) * 2, "channels": (ins, outs)}
                stream = _Stream(self._rtmixer.MixerAndRecorder(**pair, **_shape(rate)))
                least, most, heard_s, played_s = self._started(stream, True, True)
                sides = {
                    "input": _Side(self._rtmixer, stream, ins, rate),
                    "output": _Side(self._rtmixer, stream, outs, rate),
                }
                for side, late_s in zip(sides.values(), (heard_s, played_s), strict=True):
                    side.grain, side.latency_s = most, late_s
                if least == most and rate == self._sample_rate:
                    # Callbacks of one size leave no more over from a block than their common measure allows.
                    sides["output"].grain = most - math.gcd(most, self._block)
                return sides
        raise NoDevice("no stream for both")

    def _open_one(self, kind: str, device: Any) -> _Side:
        """Raises NoDevice, with what is wrong and what to do."""
        recorded = kind == "input"
        make = self._rtmixer.Recorder if recorded else self._rtmixer.Mixer
        first: Exception | None = None
        for rate, ins, outs in self._ways(device):
            channels = ins if recorded else outs
            try:
                stream = _Stream(make(device=device["index"], channels=channels, **_shape(rate)))
                _, most, heard_s, played_s = self._started(stream, recorded, not recorded)
            except (NoDevice, self._sounddevice.PortAudioError) as error:
                first = first or error
                continue
            side = _Side(self._rtmixer, stream, channels, rate)
            side.grain, side.latency_s = most, heard_s if recorded else played_s
            return side
        raise NoDevice(f"{self._called(kind)} cannot be opened: {reason(first)}")

    def _ways(self, device: Any) -> Iterator[tuple[float, int, int]]:
        """Rates and channels (in, out) to try: ours first, then the device's; few channels first, then all."""
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

    def _take(self, inside: _Side | None, outside: _Side | None) -> None:
        """Perform with these from now on."""
        with self._guard:
            self._in, self._out = inside, outside
            self._heard, self._next_at, self._held = np.zeros(0, np.float32), None, 0
            self._hearing = None
            self._mic_latency_s = 0.0
            if inside is not None:
                if inside.rate != self._sample_rate:
                    self._hearing = DriftResampler(inside.rate / self._sample_rate)
                late = self._hearing.latency if self._hearing else 0
                self._mic_latency_s = inside.latency_s + late / inside.rate
                inside.record()
            if outside is not None:
                self._aim(inside, outside)

    def _aim(self, inside: _Side | None, outside: _Side) -> None:
        """What is to wait in the rings when a block is written, and how late that is.

        Where callbacks have clocks of their own a ring is seen on average half a callback beside where the sound is.
        """
        if self._feed is not None:
            self._past_xruns["output"] += self._feed.skips
        shared = self._shared
        grain = outside.grain / outside.rate
        heard = inside.grain / inside.rate if inside is not None and not shared else 0.0
        # The drift, once learned, is the devices' own: it is kept where only the streams are new.
        control = self._feed.control if self._feed is not None else None
        in_time_s = 0.001 if shared else 0.001 + grain + heard
        self._feed = Feed(self._sample_rate, outside.rate, max(self._set_point_s, in_time_s), not shared, in_time_s)
        if self._feed.control is not None and control is not None:
            self._feed.control = control
        self._target = (self._set_point_s + grain + heard) * outside.rate
        late_s = self._target / outside.rate + (0.0 if shared else (grain - heard) / 2)
        self._speaker_latency_s = late_s + outside.latency_s + self._feed.latency_s

    def _shut(self, kinds: list[str]) -> None:
        """Close these sides, and with one of a common stream the other."""
        with self._guard:
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
    """The microphone's side of Devices, as the engine sees any microphone."""

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
    """The loudspeaker's side of Devices, as the engine sees any loudspeaker."""

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

    def in_hand_s(self) -> float:
        return self._devices.in_hand_s()

    def write(self, samples: Samples) -> None:
        self._devices.write(samples)

    def close(self) -> None:
        self._devices.close()
