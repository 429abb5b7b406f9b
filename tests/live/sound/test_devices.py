"""Devices at their edges, on sound cards that this machine lacks (sound_cards.py); test_portaudio.py has the real
ones."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from live.sound.devices import devices, stream
from live.sound.devices.devices import Devices
from live.sound.devices.endpoints import DeviceMicrophone, DeviceSpeaker
from models.features import channel_mix
from models.features.media.mixdown import Channel
from tests.live.sound.sound_cards import Card, System

RATE, BLOCK = 48_000, 480


class Stage:
    """Devices on a system of cards, and the loop that hands on what they hear."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, system: System, mic: str, speaker: str, channel: Channel = "auto"
    ) -> None:
        monkeypatch.setattr(devices, "load_portaudio", lambda: (system, system))
        monkeypatch.setattr(devices, "probe_in_subprocess", self._look)
        for module, name, value in ((devices, "RETRY_S", 0.2), (devices, "WATCH_S", 0.05), (stream, "_SURVEYS", 3)):
            monkeypatch.setattr(module, name, value)
        monkeypatch.setattr(channel_mix, "_OFFSET", 9.0)  # some tests number their samples by an offset
        self.system = system
        self.said: list[tuple[str, str]] = []
        self.heard: list[np.ndarray] = []
        self.times: list[float] = []
        self.devices = Devices(mic, speaker, RATE, BLOCK, lambda *what: self.said.append(what), channel=channel)
        self.rings = self.devices.rings

    def _look(self, name: str, kind: str, closing: threading.Event) -> str:
        there = [card for card in self.system.cards if card.name == name and card.present]
        return "" if there else f"{name} is not there"

    def until(self, what: Callable[[], object], seconds: float = 10.0) -> None:
        until = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < until, self.said
            self.hand_on(0.01)

    def hand_on(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.system.looped_at = time.perf_counter()
            if taken := self.rings.read():
                self.heard.append(taken[0][:, 0])
                self.times.append(taken[1])
                self.rings.write(taken[0])
            else:
                time.sleep(min(max(self.rings.due_in_s(), 0.001), 0.003))
        self.system.looped_at = None


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Stage]]:
    made: list[Stage] = []

    def make(system: System, mic: str, speaker: str, channel: Channel = "auto") -> Stage:
        made.append(Stage(monkeypatch, system, mic, speaker, channel))
        return made[-1]

    yield make
    for one in made:
        one.devices.close()


def tone(rate: int, hz: float = 200.0) -> Callable[[np.ndarray], np.ndarray]:
    return lambda at: 0.5 * np.sin(2 * np.pi * hz * at / rate)


def loud_part(card: Card) -> np.ndarray:
    """What the card played, from the first sound on, its fade left out."""
    heard = np.concatenate(card.heard)
    return heard[np.flatnonzero(heard)[0] + 1000 :]


# ---- what they take


def test_one_card_passes_every_sample(stage: Callable[..., Stage]) -> None:
    card = Card("card")
    card.says = tone(RATE)
    one = stage(System(card), "card", "card")
    one.until(lambda: one.devices.open)
    one.hand_on(0.5)
    assert one.said == [("open", "card -> card")]
    steps = np.abs(np.diff(loud_part(card)))
    assert steps.max() < 0.5 * 2 * np.pi * 200 / RATE * 1.01, "no hole, no repeat"
    assert one.rings.drift_ppm is None
    assert one.rings.speaker_xruns == one.rings.mic_xruns == 0
    # 2 blocks, what callbacks of 256 may leave over from blocks of 480, and the card's own 8 ms.
    assert one.rings.speaker_latency_s == pytest.approx((2 * 480 + 256 - 32) / RATE + 0.008, abs=1e-4)
    assert one.rings.mic_latency_s == pytest.approx(0.008, abs=1e-4)
    assert np.ptp(np.diff(one.times[5:])) < 0.004 + one.system.lost_s, "time stamps do not jitter as callbacks do"
    assert one.rings.buffered_s() > 0.01


@pytest.mark.parametrize("least_channels", [1, 2])
def test_a_card_of_another_rate_and_of_two_channels_only(stage: Callable[..., Stage], least_channels: int) -> None:
    card = Card("card", ins=2, rates=(44_100,))
    card.least_channels = least_channels
    card.says = tone(44_100)
    one = stage(System(card), "card", "card")
    one.until(lambda: one.devices.open)
    one.hand_on(0.5)
    ours = np.concatenate(one.heard)[BLOCK:]
    crossings = np.flatnonzero((ours[:-1] < 0) & (ours[1:] >= 0))
    assert np.median(np.diff(crossings)) == pytest.approx(RATE / 200, abs=1), "200 Hz here as there"
    played = loud_part(card)
    assert np.abs(played).max() == pytest.approx(0.5, abs=0.01)
    assert np.abs(np.diff(played)).max() < 0.5 * 2 * np.pi * 200 / 44_100 * 1.01
    assert one.rings.mic_latency_s > 0.008 + 30 / 44_100, "resampling is counted"
    assert one.rings.speaker_xruns == 0


def test_a_microphone_of_a_low_rate_is_said(stage: Callable[..., Stage]) -> None:
    headset, card = Card("headset", outs=0, rates=(16_000,)), Card("card", ins=0)
    one = stage(System(headset, card), "headset", "card")
    one.until(lambda: one.devices.open)
    assert DeviceMicrophone(one.devices).trouble == "microphone: it gives 16 kHz: the voice sounds dull"


@pytest.mark.parametrize(
    ("gains", "said"), [((1.0, -1.0), "cancel"), ((1.0, 0.0), "only 1 has sound")], ids=["one inverted", "one silent"]
)
def test_a_microphone_of_two_channels_is_heard_at_its_level(
    stage: Callable[..., Stage], gains: tuple[float, ...], said: str
) -> None:
    card = Card("card", ins=2)
    card.least_channels, card.gains, card.says = 2, gains, tone(RATE)
    one = stage(System(card), "card", "card")
    one.until(lambda: one.devices.open)
    one.hand_on(0.6)
    assert np.abs(np.concatenate(one.heard[-10:])).max() == pytest.approx(0.5, abs=0.01)
    assert said in DeviceMicrophone(one.devices).trouble


@pytest.mark.parametrize(
    ("channel", "level", "said"),
    [(2, 0.1, ""), (1, 0.4, ""), ("sum", 0.25, ""), (3, 0.25, "it has no channel 3, only 2")],
)
def test_the_channel_that_was_chosen_is_heard(
    stage: Callable[..., Stage], channel: Channel, level: float, said: str
) -> None:
    card = Card("card", ins=2)
    card.gains, card.says = (0.8, 0.2), tone(RATE)
    one = stage(System(card), "card", "card", channel)
    one.until(lambda: one.devices.open)
    one.hand_on(0.2)
    assert np.abs(np.concatenate(one.heard[-10:])).max() == pytest.approx(level, abs=0.01)
    assert said in DeviceMicrophone(one.devices).trouble


def test_two_cards_are_steered(stage: Callable[..., Stage]) -> None:
    mic, speaker = Card("mic", outs=0), Card("speaker", ins=0)
    mic.says, mic.ppm = tone(RATE), 900
    one = stage(System(mic, speaker), "mic", "speaker")
    one.until(lambda: one.devices.open)
    one.hand_on(0.8)
    assert one.rings.drift_ppm is not None
    assert one.rings.speaker_xruns == 0
    assert np.abs(np.diff(loud_part(speaker))).max() < 0.5 * 2 * np.pi * 200 / RATE * 1.02


@pytest.mark.parametrize(
    ("trouble", "said"), [("busy", "another program holds it"), ("rate", "Hz"), ("absent", "there are: ")]
)
def test_a_microphone_that_cannot_be_had_is_named_and_had_later(
    stage: Callable[..., Stage], trouble: str, said: str
) -> None:
    mic, speaker = Card("mic", outs=0), Card("speaker")
    mic.busy, mic.present = trouble == "busy", trouble != "absent"
    system = System(mic, speaker)
    if trouble == "rate":
        mic.rates = (11_025,)
        system.query_devices = lambda: [  # type: ignore[method-assign]
            {**known, "default_samplerate": 22_050.0} for known in System.query_devices(system)
        ]
    one = stage(system, "mic", "speaker")
    one.until(lambda: one.said)
    (what, text), *_ = one.said
    assert what == "lost"
    assert "mic" in text
    assert said in text
    assert "\n" not in text
    assert not one.devices.open
    assert one.rings.buffered_s() == pytest.approx(0.02), "nothing that could run dry"
    mic.busy, mic.present, mic.rates = False, True, (48_000, 22_050)
    one.until(lambda: one.said[-1][0] == "open")
    assert [what for what, _ in one.said] == ["lost", "open"], "each said once"


# ---- when it goes wrong in the middle


def test_a_loop_that_stood_still_replays_nothing_and_is_as_late_as_before(stage: Callable[..., Stage]) -> None:
    card = Card("card")
    card.says = lambda at: 0.1 + (at % (1 << 20)) / (1 << 21)  # every sample of 20 s is one of a kind
    one = stage(System(card), "card", "card")
    one.until(lambda: one.devices.open)
    one.hand_on(0.5)
    time.sleep(0.2)
    before = len(card.heard)
    one.hand_on(0.4)
    assert one.rings.speaker_xruns == 1
    heard = np.concatenate(card.heard)
    fades = np.convolve(heard == 0.0, np.ones(300))[: len(heard)] > 0.5
    assert (np.diff(heard[~fades]) > 0).all(), "none twice, none out of turn"
    gone_on = np.concatenate(card.heard[before:])
    assert np.diff(gone_on).max() < 0.01, "it fades in"
    late = []
    for part in (heard[: before * card.step], heard):
        newest = np.flatnonzero(part > 0.1)[-1]
        late.append(newest - (part[newest] - 0.1) * (1 << 21))
    assert late[0] == pytest.approx(late[1], abs=1.5)


def test_a_microphone_that_nobody_reads_overflows_and_begins_anew(stage: Callable[..., Stage]) -> None:
    card = Card("card", outs=0)
    card.says = lambda at: at / (1 << 22)
    one = stage(System(card), "card", "")
    one.until(lambda: one.devices.open)
    time.sleep(1.1)
    one.heard.clear()
    one.hand_on(0.2)
    assert one.rings.mic_xruns == 1
    newest = np.concatenate(one.heard)[-1] * (1 << 22)
    streamed = sum(len(part) for part in card.heard)
    assert streamed - newest < 0.1 * RATE, "what is heard is new"


def test_what_the_driver_lost_is_counted(stage: Callable[..., Stage]) -> None:
    card = Card("card")
    one = stage(System(card), "card", "card")
    one.until(lambda: one.devices.open)
    card.loses = 3
    one.until(lambda: one.rings.mic_xruns)
    assert one.rings.mic_xruns == 3
    assert one.rings.speaker_xruns == 0, "one stream, counted once"


@pytest.mark.parametrize("gone", ["mic", "speaker"])
def test_only_the_side_that_is_gone_falls_silent_and_comes_back(stage: Callable[..., Stage], gone: str) -> None:
    mic, speaker = Card("mic", outs=0), Card("speaker", ins=0)
    mic.says = tone(RATE)
    one = stage(System(mic, speaker), "mic", "speaker")
    one.until(lambda: one.devices.open)
    one.hand_on(0.2)
    card = mic if gone == "mic" else speaker
    card.present = False
    one.until(lambda: one.said[-1][0] == "lost")
    assert one.said[-1] == ("lost", f'{"microphone" if gone == "mic" else "loudspeaker"} "{gone}" stopped')
    before = len(one.heard), len(speaker.heard)
    one.hand_on(0.5)
    if gone == "speaker":
        assert len(one.heard) - before[0] > 30, "the microphone goes on"
    else:
        assert len(speaker.heard) - before[1] > 60, "the loudspeaker runs on"
        assert not np.concatenate(speaker.heard)[-RATE // 10 :].any(), "in silence"
    card.present = True
    one.until(lambda: one.said[-1][0] == "open")
    assert one.said[-1] == ("open", "mic -> speaker")
    speaker.heard.clear()
    one.hand_on(0.4)
    assert np.concatenate(speaker.heard).any()


def test_the_engine_s_view_of_both_sides(stage: Callable[..., Stage]) -> None:
    card = Card("card")
    card.says = tone(RATE)
    one = stage(System(card), "card", "card")
    microphone, speaker = DeviceMicrophone(one.devices), DeviceSpeaker(one.devices)
    assert speaker.latency_s == pytest.approx(0.02), "before it is open: its set point"
    one.until(lambda: one.devices.open)
    one.hand_on(0.2)
    assert microphone.latency_s + speaker.latency_s == pytest.approx(0.04066, abs=2e-4)
    assert speaker.buffered_s() > 0.01
    assert (speaker.xruns, microphone.xruns, speaker.drift_ppm) == (0, 0, None)
    assert microphone.due_in_s() <= 0.05
