"""A sound engine through real devices whose voice is late once: test_late_voices.py runs it as a process.

    python late_engine.py MICROPHONE SPEAKER VOICE LATE_S SECONDS

Prints a JSON line: the notes, the voice at the end, and the missed blocks.
"""

from __future__ import annotations

import json
import sys
import threading
import time

from live.process.messages import Event, Go, Note, Prepare, Ready
from live.sound.audio_io import AudioIO
from live.sound.engine import SoundEngine
from live.sound.priority import prepare_process, raise_priority
from live.sound.settings import QUICK_BLOCK, QUICK_SUFFIX, SoundSettings
from live.sound.voice import Voice
from live.sound.voices import open_voice
from models.features.types import Mono

LATE_AT_S = 2.0


class LateVoice:
    """A voice, one block of which takes `late_s` longer once it is due."""

    def __init__(self, voice: Voice, late_s: float, due: threading.Event) -> None:
        self.name, self.latency_samples, self.context = voice.name, voice.latency_samples, voice.context
        self.reset, self.set = voice.reset, voice.set
        self._voice, self._late_s, self._due = voice, late_s, due

    def process(self, samples: Mono) -> Mono:
        if self._due.is_set():
            self._due.clear()
            time.sleep(self._late_s)
        return self._voice.process(samples)


def main(mic: str, speaker: str, key: str, late_s: str, seconds: str) -> None:
    block = QUICK_BLOCK if key.endswith(QUICK_SUFFIX) else 480
    settings = SoundSettings(mic, speaker, block=block, voices=(key,))
    due, wake, sent = threading.Event(), threading.Event(), list[Event]()
    engine = SoundEngine(
        settings,
        *AudioIO(settings, sent.append).open(),
        sent.append,
        wake=wake.set,
        load=lambda key: LateVoice(open_voice(key, settings.sample_rate, block, "cpu"), float(late_s), due),
        begin_voice=raise_priority,
    )
    prepare_process()
    raise_priority()
    engine.handle(Prepare(key))
    on_stage_at: float | None = None
    late = False
    while on_stage_at is None or time.monotonic() < on_stage_at + float(seconds):
        while engine.step():
            pass
        engine.send_events()
        if on_stage_at is None and any(isinstance(event, Ready) for event in sent):
            engine.handle(Go(0, key))
            on_stage_at = time.monotonic()
            print("on stage", flush=True)
        if on_stage_at is not None and not late and time.monotonic() > on_stage_at + LATE_AT_S:
            late = True
            due.set()
        wake.wait(max(engine.due_in_s(), 0.0005))
        wake.clear()
    notes = [event.text for event in sent if isinstance(event, Note)]
    metrics = engine.metrics()
    engine.close()
    print(json.dumps({"notes": notes, "voice": metrics.voice, "missed": metrics.deadline_misses}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
