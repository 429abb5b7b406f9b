"""Microphones and loudspeakers through PortAudio. rtmixer's C callback moves samples between ring buffers and the
device: no Python runs in the audio thread.

The engine's loop never waits: a thread of `Devices` opens the streams, checks them, compensates the drift between two
of them, and looks for a lost device, by name, every 2 s. PortAudio knows only the devices that were there when it was
initialised, and initialising it again closes all streams: so while one side still runs, another process probes whether
the other is back.
"""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Callable, Collection

from live.process.frames import now
from live.sound.devices.opener import StreamOpener
from live.sound.devices.portaudio import describe, explain, load_portaudio, probe_in_subprocess
from live.sound.devices.ring_pair import RingPair
from live.sound.devices.rtmixer_types import Kind
from models.features.media.mixdown import Channel

RETRY_S = 2.0
SET_POINT_BLOCKS = 2
"""What a loudspeaker has buffered when a block arrives in time: the loop may be late by so much."""
WATCH_S = 0.25


class Devices:
    """A microphone, a loudspeaker, or both, opened and reopened by a thread. Either may be "" for none."""

    def __init__(
        self,
        mic: str,
        speaker: str,
        sample_rate: int,
        block: int,
        on_status: Callable[[str, str], None],
        set_point_blocks: float = SET_POINT_BLOCKS,
        channel: Channel = "auto",
    ) -> None:
        """
        Args:
            mic, speaker: a name for `find_device`, or "".
            on_status: called with ("lost", which and why), and with ("open", the names) when all are open, in the
                thread that opens them.
            set_point_blocks: what the loudspeaker has buffered when a block arrives in time.
            channel: which of the microphone's are heard.

        Raises:
            NoPortAudio: the library is missing.
        """
        self._opener = StreamOpener(*load_portaudio(), sample_rate, block, channel)
        self._wanted: dict[Kind, str] = {}
        if mic:
            self._wanted["input"] = mic
        if speaker:
            self._wanted["output"] = speaker
        self.rings = RingPair(sample_rate, block, set_point_blocks * block / sample_rate, channel)
        """What the engine's loop reads and writes."""
        self._on_status = on_status
        self._reported: set[Kind] = set()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sound devices", daemon=True)
        self._thread.start()

    @property
    def name(self) -> str:
        return " -> ".join(self._wanted.values())

    @property
    def open(self) -> bool:
        return not self._missing()

    def close(self) -> None:
        self._closing.set()
        self._thread.join(5.0)

    # ---- the thread

    def _run(self) -> None:
        again = False
        checked_at = tried_at = -math.inf
        while not self._closing.is_set():
            at = now()
            if self._missing() and at - tried_at >= RETRY_S:
                self._reopen(again)
                again, tried_at = True, now()
            if at - checked_at >= WATCH_S:
                self._check_streams()
                checked_at = at
            self.rings.update_drift()
            # At random times, so that the level of a ring that callbacks move in steps is right on average.
            drifts = self.rings.drift_ppm is not None
            self._closing.wait(random.uniform(0.005, 0.015) if drifts else 0.1)
        self._close_ends(["input", "output"])

    def _check_streams(self) -> None:
        for kind in self.rings.dead(now()):  # outside of its lock: closing a lost device may take long
            self._lost(kind, f"{describe(kind, self._wanted[kind])} stopped")

    def _missing(self) -> list[Kind]:
        present = self.rings.ends()
        return [kind for kind in self._wanted if kind not in present]

    def _lost(self, kind: Kind, why: str) -> None:
        self._close_ends([kind])
        if kind not in self._reported and not self._closing.is_set():
            self._reported.add(kind)
            self._on_status("lost", why)

    def _reopen(self, again: bool) -> None:
        """Open what is missing, and reopen what runs: one stream for both is worth the interruption."""
        missing = self._missing()
        if self.rings.ends():
            for kind in missing:
                if why := probe_in_subprocess(self._wanted[kind], kind, self._closing):
                    self._lost(kind, why)
                    return
        self._close_ends(["input", "output"])
        if again:
            self._opener.initialise_again()
        try:
            self.rings.use(self._opener.open(self._wanted, self._lost))
        except Exception as error:  # PortAudio raises many kinds; all mean that it is not available now
            self._lost(missing[0], explain(error))
        if not self._missing() and not self._closing.is_set():
            self._reported.clear()
            self._on_status("open", self.name)

    def _close_ends(self, kinds: Collection[Kind]) -> None:
        for stream in self.rings.take_out(kinds):
            stream.close()
