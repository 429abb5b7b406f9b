"""A voice whose thread hangs or is late, through sound cards whose rings run dry: the sound comes back, and a later cue
performs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from live.process.messages import Event, Go, Note, OnStage, Prepare, Ready
from live.sound.devices import devices, stream
from live.sound.devices.devices import Devices
from live.sound.devices.endpoints import DeviceMicrophone, DeviceSpeaker
from live.sound.engine import SoundEngine
from live.sound.mixer import Silence
from live.sound.voice import Voice
from models.features.types import Mono
from tests.live.sound.engine_rig import BLOCK, RATE, SETTINGS, ScriptedVoice
from tests.live.sound.sound_cards import Card, System


class Hall:
    """An engine with a voice that can be held up; its loop is the test's own thread."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, sound_miss: str = "dry") -> None:
        self.card = Card("card")
        self.card.says = lambda at: 0.4 * np.sin(2 * np.pi * 200 * at / RATE)
        system = System(self.card)
        monkeypatch.setattr(devices, "load_portaudio", lambda: (system, system))
        monkeypatch.setattr(devices, "probe_in_subprocess", lambda name, kind, closing: "")
        monkeypatch.setattr(stream, "_SURVEYS", 3)
        self.go_on = threading.Event()
        self.go_on.set()
        self.sent: list[Event] = []
        self.devices = Devices("card", "card", RATE, BLOCK, lambda status, text: None)
        voices: dict[str, Voice] = {"silence": Silence("silence")}
        voices |= {"held.onnx": ScriptedVoice(self._held), "other.onnx": ScriptedVoice(lambda s: np.float32(0.5) * s)}
        self.engine = SoundEngine(
            replace(SETTINGS, sound_miss=sound_miss),
            DeviceMicrophone(self.devices),
            DeviceSpeaker(self.devices),
            self.sent.append,
            wake=lambda: None,
            load=voices.__getitem__,
        )

    def _held(self, samples: Mono) -> Mono:
        assert self.go_on.wait(20)
        return np.float32(0.25) * samples

    def prepare(self, *keys: str) -> None:
        for key in keys:
            self.engine.handle(Prepare(key))
        self.until(lambda: len([event for event in self.sent if isinstance(event, Ready)]) >= len(keys))

    def until(self, done: Callable[[], bool]) -> None:
        end = time.monotonic() + 10
        while not done():
            assert time.monotonic() < end, "\n".join(map(str, self.sent))
            self.run(0.0)

    def run(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while True:
            while self.engine.step():
                pass
            self.engine.send_events()
            time.sleep(0.001)
            if time.monotonic() >= end:
                return

    def heard(self, seconds: float) -> float:
        """How loud the newest sound is, rms."""
        heard = np.concatenate(self.card.heard)[-round(seconds * RATE) :]
        return float(np.sqrt(np.mean(np.square(heard))))

    @property
    def notes(self) -> list[str]:
        return [event.text for event in self.sent if isinstance(event, Note)]

    @property
    def arrived(self) -> list[int]:
        return [event.cue_index for event in self.sent if isinstance(event, OnStage)]

    def close(self) -> None:
        self.go_on.set()
        self.engine.close()
        for thread in threading.enumerate():
            if thread.name == "voice":
                thread.join(5)


@pytest.fixture
def hall(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hall]:
    hall = Hall(monkeypatch)
    hall.prepare("held.onnx", "other.onnx", "silence")
    hall.engine.handle(Go(0, "held.onnx"))
    hall.until(lambda: hall.arrived == [0])
    hall.run(0.3)
    yield hall
    hall.close()


DRY, HELD, OTHER = (0.4 / np.sqrt(2) * gain for gain in (1.0, 0.25, 0.5))


def test_a_hop_that_is_late_is_substituted_and_the_voice_performs_again(hall: Hall) -> None:
    assert hall.heard(0.1) == pytest.approx(HELD, rel=0.3)
    hall.go_on.clear()
    hall.run(0.7)
    assert hall.heard(0.1) == pytest.approx(DRY, rel=0.3), "not silence, while it hangs"
    hall.go_on.set()
    hall.until(lambda: any("was late for" in note and "performs again" in note for note in hall.notes))
    hall.run(0.3)
    assert hall.heard(0.1) == pytest.approx(HELD, rel=0.3)
    assert (hall.engine.metrics().deadline_misses or 0) > 20


def test_a_voice_that_hangs_is_loaded_anew_and_performs_again(hall: Hall) -> None:
    hall.go_on.clear()
    hall.run(1.5)
    assert any("loaded anew; the performer's own voice is played until it is there" in note for note in hall.notes)
    assert hall.heard(0.1) == pytest.approx(DRY, rel=0.3)
    hall.go_on.set()
    hall.until(lambda: any("is loaded anew, and performs again" in note for note in hall.notes))
    hall.until(lambda: hall.heard(0.1) == pytest.approx(HELD, rel=0.3))
    assert hall.engine.metrics().voice == "held.onnx"
    hall.go_on.clear()
    hall.until(lambda: any("given up" in note for note in hall.notes))
    hall.go_on.set()
    hall.run(0.3)
    hall.until(lambda: hall.heard(0.1) == pytest.approx(DRY, rel=0.3))  # twice in a minute: until the next cue
    hall.engine.handle(Go(1, "held.onnx"))
    hall.until(lambda: len([note for note in hall.notes if "performs again" in note]) == 2)
    hall.until(lambda: hall.heard(0.1) == pytest.approx(HELD, rel=0.3))


def test_a_cue_that_comes_while_a_voice_is_loaded_anew_keeps_the_stage(hall: Hall) -> None:
    hall.go_on.clear()
    hall.until(lambda: any("loaded anew" in note for note in hall.notes))
    hall.engine.handle(Go(1, "other.onnx"))
    hall.until(lambda: 1 in hall.arrived)
    hall.go_on.set()
    hall.run(0.5)
    assert hall.heard(0.1) == pytest.approx(OTHER, rel=0.3)
    hall.engine.handle(Go(2, "silence"))
    hall.until(lambda: 2 in hall.arrived)
    hall.run(0.5)
    assert hall.heard(0.1) < 0.005


@pytest.mark.parametrize(("key", "level"), [("silence", 0.0), ("other.onnx", OTHER)])
def test_a_cue_that_comes_while_a_voice_hangs_performs(hall: Hall, key: str, level: float) -> None:
    hall.go_on.clear()
    hall.run(0.1)
    hall.engine.handle(Go(1, key))
    if key == "silence":
        hall.run(0.5)
        assert hall.heard(0.1) < 0.005, "silent at once, whoever hangs"
    hall.until(lambda: 1 in hall.arrived)
    hall.run(0.3)
    assert hall.heard(0.1) == pytest.approx(level, rel=0.3, abs=0.005)
    hall.go_on.set()
    hall.run(0.3)
    assert hall.heard(0.1) == pytest.approx(level, rel=0.3, abs=0.005), "what comes late is read by nobody"
