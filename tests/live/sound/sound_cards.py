"""Fake sound cards: busy, of another rate, of many channels, unplugged, with a clock of their own.

`System` replaces sounddevice and rtmixer, as far as `live.sound.devices` uses them, with
rtmixer's rules (an action is dropped when its ring runs dry or full). One thread moves the samples of all streams in
real time: while a busy machine keeps it waiting, time stands still for all cards alike, and none runs ahead of another.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

LATE_S = 0.005
"""Later than this is the machine's doing."""


class PortAudioError(Exception):
    pass


class Card:
    """One device. `says` returns the microphone's samples at positions counted from the start of the stream; `heard` is
    what its loudspeaker played."""

    def __init__(self, name: str, ins: int = 1, outs: int = 2, rates: tuple[int, ...] = (48_000,)) -> None:
        self.name, self.ins, self.outs, self.rates = name, ins, outs, rates
        self.least_channels = 1
        self.ppm = 0.0
        self.step = 256
        self.busy, self.present = False, True
        self.loses = 0
        self.says: Callable[[np.ndarray], np.ndarray] = lambda at: np.zeros(len(at))
        self.gains: tuple[float, ...] = ()
        """Of each channel of the microphone, where they are not all alike."""
        self.heard: list[np.ndarray] = []


class RingBuffer:
    def __init__(self, elementsize: int, size: int) -> None:
        self._channels, self._size = elementsize // 4, size
        self._kept = np.zeros((0, self._channels), np.float32)
        self._lock = threading.Lock()

    @property
    def read_available(self) -> int:
        return len(self._kept)

    @property
    def write_available(self) -> int:
        return self._size - len(self._kept)

    def write(self, samples: np.ndarray) -> int:
        with self._lock:
            taken = samples[: self._size - len(self._kept)]
            self._kept = np.concatenate([self._kept, taken])
        return len(taken)

    def read(self, count: int) -> bytes:
        with self._lock:
            taken, self._kept = self._kept[:count], self._kept[count:]
        return taken.tobytes()

    def advance_read_index(self, count: int) -> int:
        return len(self.read(count)) // (4 * self._channels)


class Stream:
    """A stream, and the thread that stands for its callback."""

    def __init__(
        self, system: System, device: int | tuple[int, int], channels: Any, samplerate: float, **_: Any
    ) -> None:
        index = device if isinstance(device, int) else device[0]
        self._card = card = system.cards[index]
        if not card.present or card.busy:
            raise PortAudioError("Error opening Stream: Device unavailable [PaErrorCode -9985]")
        if samplerate not in card.rates:
            raise PortAudioError("Error opening Stream: Invalid sample rate [PaErrorCode -9997]")
        asked = [channels] if isinstance(channels, int) else channels
        if min(asked) < min(card.least_channels, max(card.ins, card.outs)):
            raise PortAudioError("Error opening Stream: Invalid number of channels [PaErrorCode -9998]")
        self._system = system
        self._outs = asked[-1]
        self._rate = samplerate
        self.latency = (0.008, 0.008)
        self.active = False
        self._pending: list[Any] = []
        self._lock = threading.Lock()
        self._begun, self._index = 0.0, 0
        system.streams.append(self)

    @property
    def actions(self) -> list[Any]:
        return list(self._pending)

    def start(self) -> None:
        self._begun = time.perf_counter() - self._system.lost_s
        self.active = True
        self._system.move()

    def abort(self) -> None:
        with self._system.moving:
            self.active = False

    def close(self) -> None:
        self.active = False

    @property
    def due(self) -> float:
        """When the next callback is, by the cards' time."""
        return self._begun + (self._index + 1) * self._card.step / (self._rate * (1 + self._card.ppm * 1e-6))

    def _act(self, kind: str, ring: Any = None) -> Any:
        action = SimpleNamespace(kind=kind, ring=ring, actual_time=0.0, stats=None)
        with self._lock:
            self._pending = [*self._pending, action]
        return action

    def record_ringbuffer(self, ring: RingBuffer) -> Any:
        return self._act("record", ring)

    def play_ringbuffer(self, ring: RingBuffer) -> Any:
        return self._act("play", ring)

    def record_buffer(self, buffer: Any, channels: int) -> Any:
        return self._act("heard")

    def play_buffer(self, buffer: Any, channels: int) -> Any:
        return self._act("played")

    def fetch_and_reset_stats(self) -> Any:
        return self._act("stats")

    def call_back(self) -> None:
        card, step, index = self._card, self._card.step, self._index
        if not card.present:
            self.active = False
            return
        spoken = card.says(np.arange(index * step, (index + 1) * step)).astype(np.float32)
        played = np.zeros((step, self._outs), np.float32)
        with self._lock:
            self._pending = [action for action in self._pending if self._goes_on(action, spoken, played, self.due)]
        card.heard.append(played[:, 0])
        self._index += 1

    def _goes_on(self, action: Any, spoken: np.ndarray, played: np.ndarray, at: float) -> bool:
        step = len(spoken)
        action.actual_time = at + {"heard": -0.008, "played": 0.008}.get(action.kind, 0.0)
        if action.kind == "stats":
            lost, self._card.loses = self._card.loses, 0
            action.stats = SimpleNamespace(
                min_blocksize=step, max_blocksize=step, input_overflows=lost, input_underflows=0, output_underflows=0,
                output_overflows=0,
            )  # fmt: skip
        if action.kind == "record":
            channels = np.repeat(spoken[:, None], action.ring._channels, axis=1)
            if self._card.gains:
                channels = channels * np.array(self._card.gains, np.float32)
            return bool(action.ring.write(channels) == step)
        if action.kind == "play":
            raw = np.frombuffer(action.ring.read(step), np.float32).reshape(-1, action.ring._channels)
            played[: len(raw)] = raw[:, :1]
            return len(raw) == step
        return False


class System:
    """sounddevice and rtmixer at once."""

    PortAudioError = PortAudioError
    RingBuffer = RingBuffer

    def __init__(self, *cards: Card) -> None:
        self.cards = list(cards)
        self.streams: list[Stream] = []
        self.looped_at: float | None = None
        """When the test's loop last ran; None: time goes on without it."""
        self.lost_s = 0.0
        """For how long time has stood still."""
        self.moving = threading.Lock()
        self._mover: threading.Thread | None = None
        self.default = SimpleNamespace(device=(0, len(cards) - 1))
        self._known = [card for card in cards if card.present]

    def move(self) -> None:
        """See to it that the streams are moved."""
        with self.moving:
            if self._mover is None:
                self._mover = threading.Thread(target=self._move, name="sound cards", daemon=True)
                self._mover.start()

    def _move(self) -> None:
        while True:
            with self.moving:
                running = [stream for stream in self.streams if stream.active]
                if not running:
                    self._mover = None
                    return
            stream = min(running, key=lambda one: one.due)
            time.sleep(max(stream.due + self.lost_s - time.perf_counter(), 0))
            self._stand_still()
            self.lost_s = max(self.lost_s, time.perf_counter() - stream.due - LATE_S)
            with self.moving:
                if stream.active:
                    stream.call_back()

    def _stand_still(self) -> None:
        """While a busy machine lets the loop wait."""
        while self.looped_at is not None and time.perf_counter() - self.looped_at > LATE_S:
            time.sleep(0.001)

    def _terminate(self) -> None:
        assert not any(stream.active for stream in self.streams), "PortAudio would close them under our feet"

    def _initialize(self) -> None:
        self._known = [card for card in self.cards if card.present]

    def query_hostapis(self) -> list[dict[str, Any]]:
        defaults = {"default_input_device": 0, "default_output_device": len(self.cards) - 1}
        return [{"name": "ALSA", **defaults}, {"name": "JACK Audio Connection Kit", **defaults}]

    def query_devices(self) -> list[dict[str, Any]]:
        return [
            {
                "name": card.name,
                "index": index,
                "hostapi": int(card.name.startswith("jack")),
                "max_input_channels": card.ins,
                "max_output_channels": card.outs,
                "default_samplerate": float(card.rates[0]),
            }
            for index, card in enumerate(self.cards)
            if card in self._known
        ]

    def MixerAndRecorder(self, **how: Any) -> Stream:
        return Stream(self, **how)

    Mixer = Recorder = MixerAndRecorder
