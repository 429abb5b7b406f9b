"""A voice block by block: equal to the whole, and with the declared latency."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import pyworld
import soundfile
import soxr
from pystoi import stoi

from models.features.block_adapter import BlockAdapter, streamed
from models.features.pitch import PitchTracker
from models.features.resample import Resampler
from models.features.speech import Analyser, FrameDelay, WorldFrames, analyse, decode_envelope, encode_envelope
from models.features.synthesis import Synthesiser
from models.features.vocoded_voice import Eased, VocodedVoice, VoiceLayer, moved

OWN_RATES = {16_000: 16_000, 44_100: 22_050, 48_000: 24_000}
BLOCKS = (128, 441, 480, 512, 1024)
SPEAKERS = ("1688", "1998", "2414", "533")


class Same:
    lookahead = 0
    context = 0

    def convert(self, frames: WorldFrames) -> WorldFrames:
        return frames

    def reset(self) -> None:
        return

    def set(self, name: str, value: float) -> bool:
        return False


class Late(Same):
    """Two frames late, as a network with a lookahead."""

    lookahead = 2

    def __init__(self) -> None:
        self._delay = FrameDelay(self.lookahead)

    def convert(self, frames: WorldFrames) -> WorldFrames:
        return self._delay.process(frames)

    def reset(self) -> None:
        self._delay.reset()


def speech(data: Path, speaker: str, rate: int, seconds: float = 4.0) -> np.ndarray:
    path = sorted((data / "speech" / "librispeech_test-other").glob(f"{speaker}-*.flac"))[0]
    samples, own = soundfile.read(path, dtype="float32")
    return soxr.resample(samples, own, rate)[: round(seconds * rate)].astype(np.float32)


def voice(rate: int, block: int, hop_frames: int = 4, mapping: type = Same) -> BlockAdapter:
    return BlockAdapter(VocodedVoice(OWN_RATES[rate], (VoiceLayer(mapping()),), hop_frames), "voice", rate, block)


def in_blocks(converter: BlockAdapter, sound: np.ndarray, block: int) -> np.ndarray:
    whole = len(sound) // block * block
    return np.concatenate([converter.process(sound[at : at + block]) for at in range(0, whole, block)])


@pytest.mark.parametrize("rate", OWN_RATES)
@pytest.mark.parametrize("hop_frames", [1, 2, 4])
def test_in_blocks_it_is_what_it_is_whole(data: Path, rate: int, hop_frames: int) -> None:
    """At hops of 5, 10 and 20 ms: the very same samples for every block, each with its declared latency."""
    sound = speech(data, "1998", rate, 0.8)
    output = {}
    for block in BLOCKS:
        whole = len(sound) // block * block
        played = in_blocks(voice(rate, block, hop_frames), sound, block)
        assert np.array_equal(played, voice(rate, block, hop_frames).process(sound[:whole]))
        output[block] = played[voice(rate, block, hop_frames).latency_samples :]
    shortest = min(map(len, output.values()))
    assert shortest > rate // 4
    for block in BLOCKS:
        # The band above is cut out by a convolution, whose last bit depends on the block's length.
        assert np.abs(output[block][:shortest] - output[480][:shortest]).max() < 1e-6


@pytest.mark.parametrize("mapping", [Same, Late])
def test_it_is_as_late_as_it_declares(data: Path, mapping: type) -> None:
    """By the envelopes' cross-correlation over two speakers, within 1 ms; and never more than 40 ms."""
    errors = []
    for speaker in ("1688", "2414", "3080", "2609"):
        sound = speech(data, speaker, 48_000, 2.5)
        sound = sound[: len(sound) // 480 * 480]
        converter = voice(48_000, 480, mapping=mapping)
        played = in_blocks(converter, sound, 480)
        errors.append((_lag(sound, played, 48_000) - converter.latency_samples) / 48)
        assert converter.latency_samples <= 0.040 * 48_000 + mapping.lookahead * 240
    assert abs(np.median(errors)) < 1.0


def test_an_unvoiced_click_is_late_to_the_sample() -> None:
    """Unvoiced sound is the speaker's own: its latency can be measured exactly."""
    sound = np.zeros(48_000, np.float32)
    sound[20_000] = 0.5
    converter = voice(48_000, 480)
    played = in_blocks(converter, sound, 480)
    assert abs(int(np.argmax(np.abs(played))) - 20_000 - converter.latency_samples) <= 1


@pytest.mark.parametrize(("latency", "length"), [(0, 480), (0, 0), (700, 1000), (700, 740), (3000, 10)])
def test_a_whole_recording_comes_out_as_long_as_it_was_and_where_it_was(latency: int, length: int) -> None:
    class Echo:
        def __init__(self) -> None:
            self.latency_samples = latency
            self.held = np.zeros(latency, np.float32)

        def process(self, samples: np.ndarray) -> np.ndarray:
            assert len(samples) == 480
            both = np.concatenate([self.held, samples])
            self.held = both[480:]
            return both[:480]

    sound = np.random.default_rng(0).normal(0, 0.1, length).astype(np.float32)
    assert np.array_equal(streamed(Echo(), sound, 480), sound)


def _lag(output: np.ndarray, source: np.ndarray, rate: int) -> int:
    window = np.hanning(rate // 100)

    def envelope(sound: np.ndarray) -> np.ndarray:
        level = np.convolve(np.abs(sound), window / window.sum(), "same")
        return level - level.mean()

    size = 1 << (2 * len(output)).bit_length()
    product = np.fft.rfft(envelope(source), size) * np.conj(np.fft.rfft(envelope(output), size))
    return int(np.argmax(np.fft.irfft(product)[: rate // 2]))


@pytest.mark.parametrize("speaker", SPEAKERS)
def test_words_stay_and_nothing_is_a_telephone(data: Path, speaker: str) -> None:
    sound = speech(data, speaker, 24_000, 4.0)
    rate48 = soxr.resample(sound, 24_000, 48_000).astype(np.float32)
    played = streamed(voice(48_000, 480), rate48, 480)
    assert stoi(rate48, played, 48_000) >= 0.93
    hiss = np.random.default_rng(0).normal(0, 0.05, 48_000).astype(np.float32)
    kept = streamed(voice(48_000, 480), hiss, 480)
    above = slice(11_000, 23_000)
    power = [np.square(np.abs(np.fft.rfft(x)))[above].sum() for x in (hiss, kept)]
    assert 10 * abs(np.log10(power[1] / power[0])) < 1.0


def test_the_pitch_lands_where_it_is_asked(data: Path) -> None:
    for speaker, asked in ((SPEAKERS[0], (-12, 5)), (SPEAKERS[1], (-5, 12))):
        sound = speech(data, speaker, 24_000, 2.0)
        spoken = _f0(sound.astype(np.float64))
        for semitones in asked:
            converter = BlockAdapter(VocodedVoice(24_000, (VoiceLayer(Same()),)), "voice", 24_000, 480)
            assert converter.set("pitch", semitones)
            played = streamed(converter, sound, 480).astype(np.float64)
            off = _cents(spoken * 2 ** (semitones / 12), _f0(played))
            assert abs(off) < 20, (speaker, semitones)


def _f0(sound: np.ndarray) -> np.ndarray:
    sound = soxr.resample(sound, 24_000, 8000)  # at a third of the rate it takes a third of the time
    f0, times = pyworld.harvest(sound, 8000, 40, 1000)
    return pyworld.stonemask(sound, f0, times, 8000)


def _cents(asked: np.ndarray, got: np.ndarray) -> float:
    count = min(len(asked), len(got))
    both = (asked[:count] > 0) & (got[:count] > 0)
    return float(np.median(1200 * np.log2(got[:count][both] / asked[:count][both])))


def test_the_tracker_misses_fewer_frames_than_it_may(data: Path) -> None:
    """Against harvest over the whole recording, where dio is voiced, too: frames missed, octave errors."""
    missed = wrong = voiced = 0
    for speaker in SPEAKERS:
        sound = speech(data, speaker, 24_000).astype(np.float64)
        truth = analyse(sound, 24_000).f0
        also = pyworld.dio(sound, 24_000)[0]
        analyser = Analyser(24_000)
        hops = [analyser.push(sound[at : at + analyser.hop]).f0 for at in range(0, len(sound) - analyser.hop, 480)]
        f0 = np.concatenate(hops)[analyser.lookahead // analyser.frame - 1 :]
        count = min(len(f0), len(truth))
        spoken = (truth[:count] > 0) & (also[:count] > 0)
        voiced += int(spoken.sum())
        missed += int((spoken & (f0[:count] <= 0)).sum())
        both = spoken & (f0[:count] > 0)
        wrong += int((np.abs(np.log2(f0[:count][both] / truth[:count][both])) > 0.2).sum())
    assert missed < 0.08 * voiced
    assert wrong < 0.06 * voiced


def test_a_chirp_is_followed(data: Path) -> None:
    """YIN's published F0 of a chirp, from 110 to 880 Hz as far as the tracker's ceiling."""
    rate = 22_050
    t = np.arange(3 * rate) / rate
    glide = 100 * 2 ** (t / 1.5)
    sound = 0.3 * np.sin(2 * np.pi * np.cumsum(glide) / rate)
    tracker = PitchTracker(rate)
    centres = np.arange(tracker.reach, len(sound) - tracker.reach, 110)
    f0 = tracker.track(sound, centres)
    assert np.abs(1200 * np.log2(f0 / glide[centres])).max() < 25


def test_frames_in_any_grouping_are_the_same() -> None:
    rng = np.random.default_rng(1)
    frames = WorldFrames(
        np.repeat([0.0, 120.0, 140.0, 0.0], 8), np.exp(rng.normal(-9, 1, (32, 513))), rng.uniform(0, 1, (32, 513))
    )
    whole = Synthesiser(24_000).push(frames)
    speaks = Synthesiser(24_000)
    # Noise depends on a pulse's length, which may be known only at the end of a hop.
    parts = np.concatenate([speaks.push(frames.part(at, at + 4)) for at in range(0, 32, 4)])
    assert np.allclose(whole, parts, atol=1e-7)


def test_an_envelope_survives_its_cepstra(data: Path) -> None:
    frames = analyse(speech(data, "1998", 16_000, 2.0), 16_000)
    coded = encode_envelope(frames.envelope, 16_000)
    assert coded.shape == (len(frames), 36)
    assert coded.dtype == np.float32
    back = decode_envelope(coded, 16_000)
    loud = frames.f0 > 0
    assert np.abs(10 * np.log10(back[loud] / frames.envelope[loud])).mean() < 3.0


@pytest.mark.parametrize(
    "sound",
    [
        np.zeros(48_000),
        np.full(48_000, 1.0),
        np.random.default_rng(0).uniform(-1, 1, 48_000),
        np.sign(np.sin(np.arange(48_000) * 0.02)),
        np.full(48_000, 1e-30),
    ],
    ids=["silence", "a constant", "full-scale noise", "a square wave", "almost nothing"],
)
def test_what_is_no_speech_stays_sound(sound: np.ndarray) -> None:
    played = in_blocks(voice(48_000, 480), sound.astype(np.float32), 480)
    assert np.isfinite(played).all()
    assert np.abs(played).max() < 8.0
    if np.abs(sound).max() < 1e-6:
        assert np.abs(played).max() < 1e-4


def test_forgotten_it_begins_anew(data: Path) -> None:
    sound = speech(data, "533", 48_000, 1.0)[: 480 * 90]
    converter = voice(48_000, 480)
    first = in_blocks(converter, sound, 480)
    converter.reset()
    assert np.array_equal(first, in_blocks(converter, sound, 480))


def test_blocks_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="no multiple"):
        voice(48_000, 480).process(np.zeros(481, np.float32))


@pytest.mark.parametrize("rates", [(48_000, 24_000), (48_000, 16_000), (16_000, 44_100), (44_100, 24_000)])
def test_a_tone_keeps_its_shape_and_time_at_another_rate(rates: tuple[int, int]) -> None:
    began, ends = rates
    resampler = Resampler(began, ends)
    tone = np.sin(2 * np.pi * 1000 * np.arange(began) / began)
    given = np.concatenate([resampler.push(part) for part in np.array_split(tone, 77)])
    assert len(given) == ends
    at = np.arange(len(given)) / ends - resampler.latency_s
    expected = np.sin(2 * np.pi * 1000 * at)
    middle = slice(ends // 4, 3 * ends // 4)
    assert 10 * np.log10(np.square(expected[middle]).mean() / np.square(given - expected)[middle].mean()) > 70


def test_a_parameter_glides() -> None:
    eased = Eased(0.0)
    eased.set_target(4.0)
    assert eased.next_values(3).tolist() == [1.0, 2.0, 3.0]
    eased.set_target(3.0)
    assert eased.next_values(2).tolist() == [3.0, 3.0]


def test_a_formant_moves_up_with_its_factor() -> None:
    envelope = np.full((1, 513), 1e-6)
    envelope[0, 100] = 1.0
    up = moved(WorldFrames(np.full(1, 100.0), envelope, np.zeros((1, 513))), 2.0, 1.5)
    assert int(np.argmax(up.envelope[0])) == 150
    assert up.f0[0] == 200.0
