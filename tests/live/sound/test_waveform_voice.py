"""The low-latency voice: its pitch and formants, its latency, and that it neither clicks nor exceeds its bounds."""

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
    "unchanged": WaveformPreset(),
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
    """Two and a half seconds of a male or a female speaker, at 48 kHz."""
    return load_speech(data, request.param)


@pytest.fixture
def male_sentence(data: Path) -> Mono:
    return load_speech(data, "2033-164914-0001")


@cache
def load_speech(data: Path, name: str) -> Mono:
    samples, rate = soundfile.read(data / "speech" / "librispeech_test-other" / f"{name}.flac", dtype="float32")
    return np.asarray(soxr.resample(samples[rate // 2 : 3 * rate], rate, 48000), np.float32)


def make_voice(preset: WaveformPreset, sample_rate: int = 48000, block: int = 240) -> WaveformVoice:
    return WaveformVoice("test", sample_rate, block, preset)


def run_voice(voice: WaveformVoice, samples: Mono, block: int = 240) -> Mono:
    """The output for as many whole blocks as there are."""
    whole = len(samples) - len(samples) % block
    return np.concatenate([voice.process(samples[start : start + block]) for start in range(0, whole, block)])


def run_aligned(preset: WaveformPreset, samples: Mono) -> Mono:
    """The whole output at 48 kHz, its latency taken out."""
    voice = make_voice(preset)
    output = run_voice(voice, np.append(samples, np.zeros(voice.latency_samples + 240, np.float32)))
    return output[voice.latency_samples :][: len(samples)]


def pitch(samples: Mono) -> np.ndarray:
    """Hz, every 5 ms; 0 where it is unvoiced."""
    return _harvest(soxr.resample(samples, 48000, 8000).astype(np.float64).tobytes())


@cache
def _harvest(samples: bytes) -> np.ndarray:
    """Cached, since it is slow and the same sentences are analysed several times."""
    return pyworld.harvest(np.frombuffer(samples), 8000, f0_floor=45, f0_ceil=900)[0]


def level_db(samples: Mono) -> float:
    return float(10 * np.log10(np.mean(np.square(samples, dtype=float))))


def loudness(samples: Mono) -> np.ndarray:
    """The envelope: rms under a window of 1440 samples."""
    return np.sqrt(np.convolve(np.square(samples, dtype=float), np.hanning(1440), "same"))


def test_neutral_preset_changes_nothing(sentence: Mono) -> None:
    output = run_aligned(WaveformPreset(), sentence)
    assert np.abs(output - sentence).max() < 1e-6
    assert stoi(sentence, output, 48000) > 0.99


@pytest.mark.parametrize("semitones", [-12, -5, 5, 12])
def test_pitch_is_shifted_and_intelligibility_and_level_stay(sentence: Mono, semitones: int) -> None:
    output = run_aligned(WaveformPreset(pitch=semitones), sentence)
    before, after = pitch(sentence), pitch(output)
    both = (before > 0) & (after > 0)
    assert both.sum() > 0.7 * (before > 0).sum()
    assert abs(1200 * np.median(np.log2(after[both] / before[both])) - 100 * semitones) < 20
    assert abs(level_db(output) - level_db(sentence)) < 1.5
    assert stoi(sentence, output, 48000) > (0.75 if semitones == -5 else 0.68)


def test_formants_are_shifted_and_pitch_stays(male_sentence: Mono) -> None:
    low_rate = soxr.resample(male_sentence, 48000, 16000).astype(float)
    for semitones in (-4, 4):
        moved = run_aligned(WaveformPreset(formant=semitones), male_sentence)
        output = soxr.resample(moved, 48000, 16000).astype(float)
        f0, moved_f0 = pitch(male_sentence), pitch(moved)
        times = 0.005 * np.arange(len(f0))
        both = (f0 > 0) & (moved_f0 > 0)
        assert abs(1200 * np.median(np.log2(moved_f0[both] / f0[both]))) < 20
        before = np.log(pyworld.cheaptrick(low_rate, f0, times, 16000)[both])
        after = np.log(pyworld.cheaptrick(output, moved_f0, times, 16000)[both])
        assert abs(_formant_shift(before, after) - semitones) <= 1


def _formant_shift(before: np.ndarray, after: np.ndarray) -> float:
    """The shift in semitones from one set of spectra, (frames, bins), to another, between 150 and 4500 Hz."""
    bins = np.arange(before.shape[1])
    part = slice(10, 288)
    after = after[:, part] - after[:, part].mean(axis=1, keepdims=True)

    def correlation(semitones: float) -> float:
        stretched = np.array([np.interp(bins[part] / 2 ** (semitones / 12), bins, frame) for frame in before])
        stretched -= stretched.mean(axis=1, keepdims=True)
        return float((stretched * after).sum() / np.linalg.norm(stretched))

    return max(np.arange(-8, 8.5, 0.5), key=correlation)


def test_monotone_has_one_pitch(male_sentence: Mono) -> None:
    output = run_aligned(WaveformPreset(monotone_hz=110, pitch=2), male_sentence)
    found = pitch(output)
    power = np.convolve(np.square(output), np.ones(960), "same")[::240][: len(found)]
    loud = (found[: len(power)] > 0) & (power > 1e-2 * power.max())
    found = found[: len(power)]
    wanted = 110 * 2 ** (2 / 12)
    assert abs(1200 * np.log2(np.median(found[loud]) / wanted)) < 20
    assert np.mean(np.abs(1200 * np.log2(found[loud] / wanted)) < 50) > 0.75


def test_whisper_has_no_pitch_and_stays_intelligible(male_sentence: Mono) -> None:
    """Voiced sound repeats after a period; a whisper does not."""
    output = run_aligned(WaveformPreset(breath=1), male_sentence)
    assert _periodicity(male_sentence) > 0.8
    assert _periodicity(output) < 0.55
    assert stoi(male_sentence, output, 48000) > 0.75


def _periodicity(samples: Mono) -> float:
    """The greatest correlation of 40 ms with itself 3 to 13 ms later, the median over the loud pieces."""
    low = soxr.resample(samples, 48000, 8000)
    pieces = np.lib.stride_tricks.sliding_window_view(low, 320)[::160]
    power = np.square(pieces).sum(axis=1)
    best = []
    for piece in pieces[power > np.quantile(power, 0.7)]:
        best.append(max(np.corrcoef(piece[lag:], piece[:-lag])[0, 1] for lag in range(24, 104)))
    return float(np.median(best))


@pytest.mark.parametrize(("sample_rate", "block"), [(48000, 240), (48000, 128), (44100, 441), (16000, 512)])
def test_measured_latency_is_the_declared_latency(male_sentence: Mono, sample_rate: int, block: int) -> None:
    samples = soxr.resample(male_sentence, 48000, sample_rate).astype(np.float32)
    for semitones in (0, -5):
        voice = make_voice(WaveformPreset(pitch=semitones), sample_rate, block)
        output = run_voice(voice, samples, block)
        before, after = loudness(samples[: len(output)]), loudness(output)
        lags = np.arange(0, sample_rate // 25, sample_rate // 8000)
        correlations = [np.corrcoef(before[: len(before) - lag], after[lag:])[0, 1] for lag in lags]
        assert abs(lags[np.argmax(correlations)] - voice.latency_samples) < 1e-3 * sample_rate
        if semitones == 0:
            assert np.abs(output[voice.latency_samples :] - samples[: len(output) - voice.latency_samples]).max() < 1e-6


def test_latency_is_low() -> None:
    assert make_voice(WaveformPreset()).latency_samples <= 0.02 * 48000
    for sample_rate in (16000, 44100, 48000):
        for block in (128, 240, 441, 480, 512, 1024):
            assert make_voice(CHORUS, sample_rate, block).latency_samples <= 0.0201 * sample_rate


@pytest.mark.parametrize("sample_rate", [16000, 44100, 48000])
@pytest.mark.parametrize("name", ["giant", "breathy", "chorus"])
def test_output_is_independent_of_the_block_length(male_sentence: Mono, sample_rate: int, name: str) -> None:
    samples = soxr.resample(male_sentence[:48000], 48000, sample_rate).astype(np.float32)
    whole = make_voice(PRESETS[name], sample_rate, len(samples))
    expected = whole.process(samples)[whole.latency_samples :]
    assert np.abs(expected).max() > 0.05
    for block in (128, 441, 480, 512, 1024):
        voice = make_voice(PRESETS[name], sample_rate, block)
        output = run_voice(voice, samples, block)[voice.latency_samples :]
        count = min(len(output), len(expected))
        assert count > 0.9 * sample_rate
        np.testing.assert_allclose(output[:count], expected[:count], atol=1e-6)


@pytest.mark.parametrize("semitones", [-12, 12])
def test_no_click(sentence: Mono, semitones: int) -> None:
    assert_smooth(sentence, run_aligned(WaveformPreset(pitch=semitones), sentence))


def test_no_click_when_parameters_change(sentence: Mono) -> None:
    """Up and down an octave at once, twenty times a second."""
    voice = make_voice(WaveformPreset())
    assert not voice.set("volume", 1.0)
    output = []
    for number, start in enumerate(range(0, len(sentence) - 239, 240)):
        if number % 10 == 0:
            assert voice.set("pitch", (-6.0, 6.0)[number // 10 % 2])
            assert voice.set("formant", (3.0, -3.0, 0.0)[number // 10 % 3])
        output.append(voice.process(sentence[start : start + 240]))
    assert_smooth(sentence, np.concatenate(output)[voice.latency_samples :])


def assert_smooth(before: Mono, after: Mono) -> None:
    """No jump between two samples is more than twice the largest within 30 ms of it in the speech: an octave down has
    half as many periods, each half as strong again, and formants shifted up are steeper."""
    jumps = np.abs(np.diff(before[: len(after)]))
    near = np.lib.stride_tricks.sliding_window_view(np.pad(jumps, 1440), 2881).max(axis=1)
    assert (np.abs(np.diff(after)) < 2.0 * near + 2e-3).all()


def test_pitch_that_is_set_takes_effect(male_sentence: Mono) -> None:
    voice = make_voice(WaveformPreset())
    voice.set("pitch", 5)
    assert np.array_equal(
        run_voice(voice, male_sentence), run_voice(make_voice(WaveformPreset(pitch=5)), male_sentence)
    )


@pytest.mark.parametrize("name", PRESETS)
def test_bad_input_stays_bounded(name: str) -> None:
    count = 12000
    noise = np.random.default_rng(3).uniform(-1, 1, count)
    square = np.where(np.arange(count) // 218 % 2, 1.0, -1.0)
    for samples in (np.full(count, 0.9), noise, square, np.eye(1, count, 3000)[0]):
        output = run_voice(make_voice(PRESETS[name]), samples.astype(np.float32))
        assert output.dtype == np.float32
        assert len(output) == count
        assert np.isfinite(output).all()
        assert np.abs(output).max() <= 2.0


@pytest.mark.parametrize("name", PRESETS)
def test_silence_stays_silence(male_sentence: Mono, name: str) -> None:
    voice = make_voice(PRESETS[name])
    assert not run_voice(voice, np.zeros(19200, np.float32)).any()
    run_voice(voice, male_sentence[:12000])
    quiet = run_voice(voice, np.zeros(19200, np.float32))
    assert not quiet[voice.context :].any()


def test_reset_and_a_second_voice_repeat_the_output(male_sentence: Mono) -> None:
    for preset in (PRESETS["breathy"], CHORUS):
        one, other = make_voice(preset), make_voice(preset)
        first = run_voice(one, male_sentence[:24000])
        assert np.array_equal(first, run_voice(other, male_sentence[:24000]))
        one.reset()
        assert np.array_equal(first, run_voice(one, male_sentence[:24000]))


def test_high_band_is_kept() -> None:
    """Hiss up to 20 kHz is as strong after as before."""
    hiss = (0.1 * np.random.default_rng(5).standard_normal(48000)).astype(np.float32)
    output = run_aligned(WaveformPreset(pitch=-5), hiss)
    before, after = (np.abs(np.fft.rfft(samples[4800:43200])) ** 2 for samples in (hiss, output))
    band = slice(round(12000 * 0.8), round(20000 * 0.8))
    assert abs(10 * np.log10(after[band].sum() / before[band].sum())) < 1.5


@pytest.mark.parametrize("name", ["octave up", "chorus"])
def test_computing_time(male_sentence: Mono, name: str) -> None:
    """Of the median hop, which a busy machine does not change."""
    voice = make_voice(PRESETS[name])
    took = []
    for start in range(0, 48000, 240):
        began = time.perf_counter()
        voice.process(male_sentence[start : start + 240])
        took.append(time.perf_counter() - began)
    assert np.median(took) < 0.2 * 240 / 48000


def test_other_sample_rates_are_refused() -> None:
    with pytest.raises(ValueError, match="22050"):
        make_voice(WaveformPreset(), 22050)
