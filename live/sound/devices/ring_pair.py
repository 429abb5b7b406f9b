"""The rings of a microphone and a loudspeaker, as the engine's loop reads and writes them, and what was lost in them.

The latency is counted and not estimated. In one stream for both ends as many samples come in as go out, so the number
of samples in both rings stays what it was when the sound began. With two streams, or a file at one end, it is what the
drift control holds.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping

from live.process.frames import Samples
from live.sound.audio_block import AudioBlock
from live.sound.devices.ring_reader import RingReader
from live.sound.devices.ring_writer import RingWriter
from live.sound.devices.rtmixer_types import Kind
from live.sound.devices.stream import DeviceStream
from live.sound.devices.stream_end import StreamEnd
from live.sound.drift import Feed
from models.features.media.mixdown import Channel


class RingPair:
    """Read and written by the engine's loop, which never waits; the thread that opens devices puts ends in and takes
    them out. Either end may be missing. Figures of an end that is lost are kept until it is opened again."""

    def __init__(self, sample_rate: int, block: int, set_point_s: float, channel: Channel = "auto") -> None:
        """
        Args:
            set_point_s: what the loudspeaker has buffered when a block arrives in time.
            channel: which of the microphone's are heard.
        """
        self._sample_rate, self._block, self._set_point_s = sample_rate, block, set_point_s
        self._channel = channel
        self._lock = threading.Lock()
        self._reader: RingReader | None = None
        self._writer: RingWriter | None = None
        self._feed: Feed | None = None
        self._unwritten_samples = 0
        """Of the blocks that were read and not yet written."""
        self._past_xruns: dict[Kind, int] = {"input": 0, "output": 0}
        self._mic_latency_s = 0.0
        self._speaker_latency_s = set_point_s

    # ---- the engine's loop

    @property
    def mic_latency_s(self) -> float:
        """From the air to the ring buffer."""
        return self._mic_latency_s

    @property
    def speaker_latency_s(self) -> float:
        """From a block written in time to the air, the set point included."""
        return self._speaker_latency_s

    @property
    def mic_note(self) -> str:
        """What the operator should know of the microphone's channels."""
        reader = self._reader
        return reader.note if reader else ""

    @property
    def mic_xruns(self) -> int:
        reader = self._reader
        return self._past_xruns["input"] + (reader.end.stream.xruns if reader else 0)

    @property
    def speaker_xruns(self) -> int:
        """In one stream for both ends the driver's xruns count as the microphone's."""
        writer, feed = self._writer, self._feed
        own = writer.end.stream.xruns if writer and not self._shared else 0
        return self._past_xruns["output"] + own + (feed.skips if feed else 0)

    @property
    def drift_ppm(self) -> float | None:
        """By how much the blocks come faster than the loudspeaker plays; None where both have one clock."""
        feed = self._feed
        return feed.control.ppm if feed and feed.control else None

    def buffered_s(self) -> float:
        """How long what was written will last at least: 0 when it ran dry, and the set point while nothing plays."""
        with self._lock:
            return self._writer.buffered_s() if self._writer else self._set_point_s

    def due_in_s(self) -> float:
        """How long until a block of the microphone may be complete."""
        reader = self._reader
        return reader.due_in_s() if reader else 0.05

    def read(self) -> AudioBlock | None:
        """The next block of the microphone, or None."""
        with self._lock:
            taken = self._reader.read() if self._reader else None
            if taken is not None:
                self._unwritten_samples += self._block
            return taken

    def write(self, samples: Samples) -> None:
        """Play a block, (block, 1)."""
        with self._lock:
            writer = self._writer
            self._unwritten_samples = max(self._unwritten_samples - len(samples), 0)
            if writer is None:
                return
            if not writer.end.runs:
                self._past_xruns["output"] += writer.end.action is not None  # it ran dry
                if not writer.restart(self._reader, self._unwritten_samples):
                    return
            writer.write(samples, self._reader)

    # ---- the thread that opens and checks the streams

    def ends(self) -> dict[Kind, StreamEnd]:
        """Those that are open."""
        ends: dict[Kind, StreamEnd] = {}
        reader, writer = self._reader, self._writer
        if reader is not None:
            ends["input"] = reader.end
        if writer is not None:
            ends["output"] = writer.end
        return ends

    def use(self, ends: Mapping[Kind, StreamEnd]) -> None:
        """Read from and write to these from now on."""
        inside, outside = ends.get("input"), ends.get("output")
        with self._lock:
            self._reader = None if inside is None else RingReader(inside, self._sample_rate, self._block, self._channel)
            self._mic_latency_s = self._reader.latency_s if self._reader else 0.0
            self._unwritten_samples = 0
            if inside is not None:
                inside.record()
            self._writer = None if outside is None else self._write_to(outside)

    def take_out(self, kinds: Collection[Kind]) -> list[DeviceStream]:
        """Let go of these ends, and where both share a stream of the other, too; returns the streams to be closed."""
        with self._lock:
            shared = self._shared
            gone = {kind: end for kind, end in self.ends().items() if kind in kinds or shared}
            for kind, end in gone.items():
                if not (kind == "output" and shared):
                    self._past_xruns[kind] += end.stream.xruns
            if "input" in gone:
                self._reader = None
            if "output" in gone:
                self._writer = None
        return list({id(end.stream): end.stream for end in gone.values()}.values())

    def dead(self, at: float) -> list[Kind]:
        """The ends whose streams have died; where the microphone's ring has run full, recording starts again."""
        with self._lock:
            dead: list[Kind] = [kind for kind, end in self.ends().items() if not end.stream.alive(at)]
            if self._reader is not None and not self._reader.end.runs:
                self._past_xruns["input"] += 1  # it was not read in time
                self._reader.end.record()
        return dead

    def update_drift(self) -> None:
        with self._lock:
            if self._writer is None:
                return
            # Between two blocks of a file, half a block is here on average; those of a device are always in a ring or
            # between `read` and `write`.
            between = self._unwritten_samples - self._block if self._reader else -self._block / 2
            self._writer.update_drift(self._reader, between)

    @property
    def _shared(self) -> bool:
        return self._writer is not None and self._reader is not None and self._writer.shared

    def _write_to(self, end: StreamEnd) -> RingWriter:
        control = None
        if self._feed is not None:
            self._past_xruns["output"] += self._feed.skips
            control = self._feed.control
        writer = RingWriter(end, self._reader, self._sample_rate, self._set_point_s, control)
        self._feed = writer.feed
        self._speaker_latency_s = writer.latency_s
        return writer
