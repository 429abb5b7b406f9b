"""The low-latency voice: where its pitch lands, how late it is, and that nothing clicks or bursts."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import pyworld
import soundfile
import soxr
from pystoi import stoi

from live.sound.waveform_voice import VoiceCopy, WaveformPreset, WaveformVoice
from models.features.types import Mono

CHORUS = WaveformPreset(copies=(VoiceCopy(-13, -0.3, 14, 0.8), VoiceCopy(11, 0.3, 23, 0.7)))
PRESETS = {
    "nothing": WaveformPreset(),
    "octave down": WaveformPreset(pitch=-12),
    "octave up": WaveformPreset(pitch=12),
    "child": WaveformPreset(pitch=6, formant=4),
    "giant": WaveformPreset(pitch=-7, formant=-4),
    "monotone": WaveformPreset(monotone_hz=110),
    "breathy": WaveformPreset(pitch=2, breath=0.4),
    "whisper": WaveformPreset(breath=1),
    "chorus": CHORUS,
}


@pytest.fixture(params=["2033-164914-0001", "1998-15444-0001"])
def sentence(data: Path, request: pytest.FixtureRequest) -> Mono:
    """Two and a half seconds of a man or a woman, at 48 kHz."""
    return spoken(data, request.param)


@pytest.fixture
def man(data: Path) -> Mono:
    return spoken(data, "2033-164914-0001")


@cache
def spoken(data: Path, name: str) -> Mono:
    samples, rate = soundfile.read(data / "speech" / "librispeech_test-other" / f"{name}.flac", dtype="float32")
    return np.asarray(soxr.resample(samples[rate // 2 : 3 * rate], rate, 48000), np.float32)


def made(preset: WaveformPreset, sample_rate: int = 48000, block: int = 240) -> WaveformVoice:
    return WaveformVoice("test", sample_rate, block, preset)


def played(voice: WaveformVoice, samples: Mono, block: int = 240) -> Mono:
    """What it says to so many whole blocks."""
    whole = len(samples) - len(samples) % block
    return np.concatenate([voice.process(samples[start : start + block]) for start in range(0, whole, block)])


def in_time(preset: WaveformPreset, samples: Mono) -> Mono:
    """All that it says at 48 kHz, its delay taken away."""
    voice = made(preset)
    return played(voice, np.append(samples, np.zeros(voice.latency_samples + 240, np.float32)))[
        voice.latency_samples :
    ][: len(samples)]


def pitch(samples: Mono) -> np.ndarray:
    """Hz, every 5 ms; 0 without a voice."""
    return _harvest(soxr.resample(samples, 48000, 8000).astype(np.float64).tobytes())


@cache
def _harvest(samples: bytes) -> np.ndarray:
    """Slow, and asked for again and again of the same sentence."""
    return pyworld.harvest(np.frombuffer(samples), 8000, f0_floor=45, f0_ceil=900)[0]


def level_db(samples: Mono) -> float:
    return float(10 * np.log10(np.mean(np.square(samples, dtype=float))))


def loudness(samples: Mono) -> np.ndarray:
    """The envelope: rms under a window of 1440 samples."""
    return np.sqrt(np.convolve(np.square(samples, dtype=float), np.hanning(1440), "same"))


def test_nothing_asked_changes_nothing(sentence: Mono) -> None:
    said = in_time(WaveformPreset(), sentence)
    assert np.abs(said - sentence).max() < 1e-6
    assert stoi(sentence, said, 48000) > 0.99


@pytest.mark.parametrize("semitones", [-12, -5, 5, 12])
def test_pitch_lands_where_asked_and_words_and_level_stay(sentence: Mono, semitones: int) -> None:
    said = in_time(WaveformPreset(pitch=semitones), sentence)
    before, after = pitch(sentence), pitch(said)
    both = (before > 0) & (after > 0)
    assert both.sum() > 0.7 * (before > 0).sum()
    assert abs(1200 * np.median(np.log2(after[both] / before[both])) - 100 * semitones) < 20
    assert abs(level_db(said) - level_db(sentence)) < 1.5
    assert stoi(sentence, said, 48000) > (0.75 if semitones == -5 else 0.68)


def test_formants_move_and_pitch_stays(man: Mono) -> None:
    low_rate = soxr.resample(man, 48000, 16000).astype(float)
    for semitones in (-4, 4):
        moved = in_time(WaveformPreset(formant=semitones), man)
        said = soxr.resample(moved, 48000, 16000).astype(float)
        f0, moved_f0 = pitch(man), pitch(moved)
        times = 0.005 * np.arange(len(f0))
        both = (f0 > 0) & (moved_f0 > 0)
        assert abs(1200 * np.median(np.log2(moved_f0[both] / f0[both]))) < 20
        before = np.log(pyworld.cheaptrick(low_rate, f0, times, 16000)[both])
        after = np.log(pyworld.cheaptrick(said, moved_f0, times, 16000)[both])
        assert abs(_moved(before, after) - semitones) <= 1


def _moved(before: np.ndarray, after: np.ndarray) -> float:
    """By how many semitones one set of spectra, (frames, bins), lies above another between 150 and 4500 Hz."""
    bins = np.arange(before.shape[1])
    part = slice(10, 288)
    after = after[:, part] - after[:, part].mean(axis=1, keepdims=True)

    def alike(semitones: float) -> float:
        stretched = np.array([np.interp(bins[part] / 2 ** (semitones / 12), bins, frame) for frame in before])
        stretched -= stretched.mean(axis=1, keepdims=True)
        return float((stretched * after).sum() / np.linalg.norm(stretched))

    return max(np.arange(-8, 8.5, 0.5), key=alike)


def test_monotone_is_one_note(man: Mono) -> None:
    said = in_time(WaveformPreset(monotone_hz=110, pitch=2), man)
    found = pitch(said)
    power = np.convolve(np.square(said), np.ones(960), "same")[::240][: len(found)]
    loud = (found[: len(power)] > 0) & (power > 1e-2 * power.max())
    found = found[: len(power)]
    wanted = 110 * 2 ** (2 / 12)
    assert abs(1200 * np.log2(np.median(found[loud]) / wanted)) < 20
    assert np.mean(np.abs(1200 * np.log2(found[loud] / wanted)) < 50) > 0.75


def test_a_whisper_has_no_pitch_and_keeps_the_words(man: Mono) -> None:
    """A voice comes again after a period; nothing of a whisper does."""
    said = in_time(WaveformPreset(breath=1), man)
    assert _again(man) > 0.8
    assert _again(said) < 0.55
    assert stoi(man, said, 48000) > 0.75


def _again(samples: Mono) -> float:
    """The greatest correlation of 40 ms with itself 3 to 13 ms later, the median over the loud places."""
    low = soxr.resample(samples, 48000, 8000)
    pieces = np.lib.stride_tricks.sliding_window_view(low, 320)[::160]
    power = np.square(pieces).sum(axis=1)
    best = []
    for piece in pieces[power > np.quantile(power, 0.7)]:
        best.append(max(np.corrcoef(piece[lag:], piece[:-lag])[0, 1] for lag in range(24, 104)))
    return float(np.median(best))


@pytest.mark.parametrize(("sample_rate", "block"), [(48000, 240), (48000, 128), (44100, 441), (16000, 512)])
def test_the_latency_declared_is_the_latency_heard(man: Mono, sample_rate: int, block: int) -> None:
    samples = soxr.resample(man, 48000, sample_rate).astype(np.float32)
    for semitones in (0, -5):
        voice = made(WaveformPreset(pitch=semitones), sample_rate, block)
        said = played(voice, samples, block)
        before, after = loudness(samples[: len(said)]), loudness(said)
        lags = np.arange(0, sample_rate // 25, sample_rate // 8000)
        alike = [np.corrcoef(before[: len(before) - lag], after[lag:])[0, 1] for lag in lags]
        assert abs(lags[np.argmax(alike)] - voice.latency_samples) < 1e-3 * sample_rate
        if semitones == 0:
            assert np.abs(said[voice.latency_samples :] - samples[: len(said) - voice.latency_samples]).max() < 1e-6


def test_the_latency_is_low() -> None:
    assert made(WaveformPreset()).latency_samples <= 0.02 * 48000
    for sample_rate in (16000, 44100, 48000):
        for block in (128, 240, 441, 480, 512, 1024):
            assert made(CHORUS, sample_rate, block).latency_samples <= 0.0201 * sample_rate


@pytest.mark.parametrize("sample_rate", [16000, 44100, 48000])
@pytest.mark.parametrize("name", ["giant", "breathy", "chorus"])
def test_blocks_are_not_heard(man: Mono, sample_rate: int, name: str) -> None:
    samples = soxr.resample(man[:48000], 48000, sample_rate).astype(np.float32)
    whole = made(PRESETS[name], sample_rate, len(samples))
    expected = whole.process(samples)[whole.latency_samples :]
    assert np.abs(expected).max() > 0.05
    for block in (128, 441, 480, 512, 1024):
        voice = made(PRESETS[name], sample_rate, block)
        said = played(voice, samples, block)[voice.latency_samples :]
        count = min(len(said), len(expected))
        assert count > 0.9 * sample_rate
        np.testing.assert_allclose(said[:count], expected[:count], atol=1e-6)


@pytest.mark.parametrize("semitones", [-12, 12])
def test_no_click(sentence: Mono, semitones: int) -> None:
    assert_smooth(sentence, in_time(WaveformPreset(pitch=semitones), sentence))


def test_no_click_when_parameters_change(sentence: Mono) -> None:
    """Up and down an octave at once, twenty times a second."""
    voice = made(WaveformPreset())
    assert not voice.set("volume", 1.0)
    said = []
    for number, start in enumerate(range(0, len(sentence) - 239, 240)):
        if number % 10 == 0:
            assert voice.set("pitch", (-6.0, 6.0)[number // 10 % 2])
            assert voice.set("formant", (3.0, -3.0, 0.0)[number // 10 % 3])
        said.append(voice.process(sentence[start : start + 240]))
    assert_smooth(sentence, np.concatenate(said)[voice.latency_samples :])


def assert_smooth(before: Mono, after: Mono) -> None:
    """No jump between two samples is more than twice the greatest within 30 ms of it in the speech: an octave down is
    half as many periods, each half as strong again, and formants that go up go up in steepness."""
    jumps = np.abs(np.diff(before[: len(after)]))
    near = np.lib.stride_tricks.sliding_window_view(np.pad(jumps, 1440), 2881).max(axis=1)
    assert (np.abs(np.diff(after)) < 2.0 * near + 2e-3).all()


def test_a_pitch_set_takes_hold(man: Mono) -> None:
    voice = made(WaveformPreset())
    voice.set("pitch", 5)
    assert np.array_equal(played(voice, man), played(made(WaveformPreset(pitch=5)), man))


@pytest.mark.parametrize("name", PRESETS)
def test_bad_sound_stays_bounded(name: str) -> None:
    count = 12000
    noise = np.random.default_rng(3).uniform(-1, 1, count)
    square = np.where(np.arange(count) // 218 % 2, 1.0, -1.0)
    for samples in (np.full(count, 0.9), noise, square, np.eye(1, count, 3000)[0]):
        said = played(made(PRESETS[name]), samples.astype(np.float32))
        assert said.dtype == np.float32
        assert len(said) == count
        assert np.isfinite(said).all()
        assert np.abs(said).max() <= 2.0


@pytest.mark.parametrize("name", PRESETS)
def test_silence_stays_silence(man: Mono, name: str) -> None:
    voice = made(PRESETS[name])
    assert not played(voice, np.zeros(19200, np.float32)).any()
    played(voice, man[:12000])
    quiet = played(voice, np.zeros(19200, np.float32))
    assert not quiet[voice.context :].any()


def test_reset_forgets_and_two_are_alike(man: Mono) -> None:
    for preset in (PRESETS["breathy"], CHORUS):
        one, other = made(preset), made(preset)
        first = played(one, man[:24000])
        assert np.array_equal(first, played(other, man[:24000]))
        one.reset()
        assert np.array_equal(first, played(one, man[:24000]))


def test_it_keeps_the_high_end() -> None:
    """Hiss up to 20 kHz between vowels is as strong after as before."""
    hiss = (0.1 * np.random.default_rng(5).standard_normal(48000)).astype(np.float32)
    said = in_time(WaveformPreset(pitch=-5), hiss)
    before, after = (np.abs(np.fft.rfft(samples[4800:43200])) ** 2 for samples in (hiss, said))
    band = slice(round(12000 * 0.8), round(20000 * 0.8))
    assert abs(10 * np.log10(after[band].sum() / before[band].sum())) < 1.5


@pytest.mark.parametrize("name", ["octave up", "chorus"])
def test_it_is_quick(man: Mono, name: str) -> None:
    """The median hop, so that a busy machine does not decide it."""
    voice = made(PRESETS[name])
    took = []
    for start in range(0, 48000, 240):
        began = time.perf_counter()
        voice.process(man[start : start + 240])
        took.append(time.perf_counter() - began)
    assert np.median(took) < 0.2 * 240 / 48000


def test_other_rates_are_refused() -> None:
    with pytest.raises(ValueError, match="22050"):
        made(WaveformPreset(), 22050)
