"""The voices that need no training: latency, cost, pitch, words kept, blocks, and changes from one to another."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypedDict

import numpy as np
import pyworld
from numpy.typing import NDArray

from calibration.bench.benchmark import BenchOptions, NotMeasured
from calibration.bench.speech import speech_by_speaker
from calibration.bench.table import Row, print_table
from live.process.frames import now
from live.show.show_file import PRESET_NAMES
from live.sound.level import Limiter
from live.sound.mixer import VoiceMixer
from live.sound.presets import PresetMapping, WorldPreset
from live.sound.settings import BLOCK, QUICK_BLOCK, QUICK_SUFFIX
from live.sound.voice import Voice
from live.sound.voices import open_voice
from live.sound.waveform_voice import WaveformVoice
from models.features.block_adapter import BlockAdapter, streamed
from models.features.speech import F0_FLOOR_HZ
from models.features.types import Mono
from models.features.vocoded_voice import VocodedVoice, VoiceLayer

RATE = 48_000
SECONDS = 8.0
SET_POINT_BLOCKS = 2
SHIFTS = (-12, -5, 5, 12)
CHANGES = 200
BLOCKS = (128, 441, 480, 512, 1024)
RATES = {16_000: 16_000, 44_100: 22_050, 48_000: 24_000}


class UnchangedFigures(TypedDict):
    """A shift of 0; stoi by speaker, lags in ms."""

    stoi: dict[str, float]
    voice_ms: float
    total_ms: float
    lag_beyond_declared_ms: float
    lags_ms: list[float]


class CostFigures(TypedDict):
    """Computing time over the duration of the sound, and that of single blocks."""

    rtf: float
    p50_ms: float
    p99_ms: float


class PresetFigures(CostFigures):
    """One preset, over all speakers."""

    total_ms: float
    level_db: float
    stoi: float


class BlocksFigures(TypedDict):
    """In blocks against whole."""

    combinations: int
    largest_difference: float


class ChangesFigures(TypedDict):
    """Changes of voice while speaking."""

    changes: int
    missing_samples: int
    kink_over_surroundings_worst: float
    kink_over_surroundings_median: float


SoundFigures = TypedDict(
    "SoundFigures",
    {
        "speakers": list[str],
        "shift of 0": dict[str, UnchangedFigures],
        "pitch": dict[str, dict[str, dict[str, float]]],
        "presets": dict[str, PresetFigures],
        "hops": dict[str, CostFigures],
        "blocks": BlocksFigures,
        "changes": ChangesFigures,
    },
)
"""`guise bench sound`; pitch: cents off, by method, shift and speaker."""


def run(options: BenchOptions) -> SoundFigures:
    """Every preset on every speaker; some minutes of one core."""
    spoken = speech_by_speaker(RATE, SECONDS)
    metrics: SoundFigures = {
        "speakers": list(spoken),
        "shift of 0": {name: _unchanged(quick, spoken) for name, quick in (("WORLD", False), ("quick", True))},
        "pitch": {name: _pitch(quick, spoken) for name, quick in (("WORLD", False), ("quick", True))},
        "presets": {name: _preset(name, spoken) for name in _names()},
        "hops": {f"{5 * frames} ms": _cost(_world(RATE, BLOCK, frames), spoken, BLOCK) for frames in (1, 2, 4)},
        "blocks": _blocks(next(iter(spoken.values()))),
        "changes": _changes(np.concatenate(list(spoken.values()))),
    }
    _print(metrics)
    return metrics


def _names() -> list[str]:
    return [name + ending for ending in ("", QUICK_SUFFIX) for name in PRESET_NAMES]


def _block(quick: bool) -> int:
    return QUICK_BLOCK if quick else BLOCK


def _world(rate: int, block: int, hop_frames: int = 4) -> BlockAdapter:
    """An unchanged voice by WORLD."""
    own_hz = RATES[rate]
    return BlockAdapter(
        VocodedVoice(own_hz, (VoiceLayer(PresetMapping(WorldPreset(), own_hz)),), hop_frames), "unchanged", rate, block
    )


def _unchanged_voice(quick: bool) -> Voice:
    return WaveformVoice("unchanged", RATE, _block(True)) if quick else _world(RATE, BLOCK)


def _total_ms(voice: Voice, quick: bool) -> float:
    """The latency that the screen shows for a show of this voice, without devices."""
    block = _block(quick)
    samples = block * (1 + SET_POINT_BLOCKS) + Limiter(RATE).latency_samples + voice.latency_samples
    return 1e3 * samples / RATE


def _unchanged(quick: bool, spoken: dict[str, Mono]) -> UnchangedFigures:
    """Words kept by a shift of 0, and the latency found by cross-correlation against the declared one."""
    from export.metrics.voice import intelligibility

    kept, errors = {}, []
    for name, sound in spoken.items():
        voice = _unchanged_voice(quick)
        converted = streamed(voice, sound, _block(quick))
        kept[name] = float(intelligibility(sound, converted, RATE))
        errors.append(1e3 * _lag_samples(sound, converted) / RATE)
    voice = _unchanged_voice(quick)
    return {
        "stoi": kept,
        "voice_ms": 1e3 * voice.latency_samples / RATE,
        "total_ms": _total_ms(voice, quick),
        "lag_beyond_declared_ms": float(np.median(errors)),
        "lags_ms": errors,
    }


def _lag_samples(source: Mono, output: Mono) -> int:
    """Samples by which the envelope of the second sound is late, within 20 ms either way."""
    window = np.hanning(RATE // 100)

    def envelope(sound: Mono) -> NDArray[np.float64]:
        level = np.convolve(np.abs(sound), window / window.sum(), "same")
        return np.asarray(level - level.mean(), np.float64)

    size = 1 << (2 * len(source)).bit_length()
    product = np.fft.irfft(np.fft.rfft(envelope(output), size) * np.conj(np.fft.rfft(envelope(source), size)))
    reach = RATE // 50
    return int(np.argmax(np.concatenate([product[-reach:], product[:reach]]))) - reach


def _pitch(quick: bool, spoken: dict[str, Mono]) -> dict[str, dict[str, float]]:
    """Median cents between the F0 wanted and that of the converted sound, by shift and speaker."""
    asked = {name: _f0(sound, F0_FLOOR_HZ) for name, sound in spoken.items()}
    off: dict[str, dict[str, float]] = {}
    for shift in SHIFTS:
        off[f"{shift:+d}"] = {}
        for name, sound in spoken.items():
            voice = _unchanged_voice(quick)
            voice.set("pitch", shift)
            factor = 2.0 ** (shift / 12.0)
            got = _f0(streamed(voice, sound, _block(quick)), F0_FLOOR_HZ * factor)
            wanted = asked[name] * factor
            both = (got > 0) & (wanted > 0)
            off[f"{shift:+d}"][name] = float(np.median(1200 * np.log2(got[both] / wanted[both])))
    return off


def _f0(sound: Mono, floor_hz: float) -> NDArray[np.float64]:
    """From `floor_hz` on: below, a recording's mains hum is taken for a voice in every pause."""
    x = sound[::2].astype(np.float64)  # enough for pitch; what aliases has none
    f0, times = pyworld.harvest(x, RATE // 2, floor_hz, 1200.0)
    return np.asarray(pyworld.stonemask(x, f0, times, RATE // 2))


def _preset(name: str, spoken: dict[str, Mono]) -> PresetFigures:
    from export.metrics.voice import intelligibility

    quick = name.endswith(QUICK_SUFFIX)
    levels, kept = [], []
    for sound in spoken.values():
        converted = streamed(open_voice(name, RATE, _block(quick)), sound, _block(quick))
        levels.append(20 * np.log10(np.std(converted) / np.std(sound)))
        kept.append(float(intelligibility(sound, converted, RATE)))
    voice = open_voice(name, RATE, _block(quick))
    return {
        "total_ms": _total_ms(voice, quick),
        "level_db": float(np.mean(levels)),
        "stoi": float(np.mean(kept)),
        **_cost(voice, spoken, _block(quick)),
    }


def _cost(voice: Voice, spoken: dict[str, Mono], block: int) -> CostFigures:
    """Computing time over the duration of the sound, and the time of single blocks in ms."""
    took = []
    for sound in list(spoken.values())[:3]:
        for at in range(0, len(sound) // block * block, block):
            began = now()
            voice.process(sound[at : at + block])
            took.append(now() - began)
    p50, p99 = np.percentile(took, [50, 99]) * 1e3
    return {"rtf": sum(took) / (len(took) * block / RATE), "p50_ms": float(p50), "p99_ms": float(p99)}


def _blocks(sound: Mono) -> BlocksFigures:
    """Processed in blocks against processed whole: the largest difference, over all rates, blocks, hops and voices."""
    import soxr

    worst, combinations = 0.0, 0
    for rate in RATES:
        at_rate = soxr.resample(sound[: 2 * RATE], RATE, rate).astype(np.float32)
        for block in BLOCKS:
            count = len(at_rate) // block * block
            makes: list[Callable[[], Voice]] = [partial(_world, rate, block, frames) for frames in (1, 2, 4)]
            makes += [partial(open_voice, name, rate, block) for name in _names()]
            for make in makes:
                voice = make()
                played = np.concatenate([voice.process(at_rate[at : at + block]) for at in range(0, count, block)])
                worst = max(worst, float(np.abs(played - make().process(at_rate[:count])).max()))
                combinations += 1
    return {"combinations": combinations, "largest_difference": worst}


def _changes(sound: Mono) -> ChangesFigures:
    """200 changes among the presets, cuts and fades, at any moment of speech."""
    voices = [open_voice(name, RATE, BLOCK) for name in ("bypass", *_names())]
    mixer = VoiceMixer(RATE, BLOCK, max(voice.latency_samples for voice in voices), real_time=False)
    sound = np.resize(sound, 60 * RATE // BLOCK * BLOCK)
    chance = np.random.default_rng(0)
    played: list[Mono] = []
    came: list[int] = []
    changed = 0
    mixer.change(voices[0], 0.0)
    for at in range(0, len(sound), BLOCK):
        if at > RATE and changed < CHANGES and not mixer.fading and chance.random() < 0.3:
            changed += 1
            fade_s = float(chance.choice([0.0, 0.0, 0.05, 0.2]))
            mixer.change(voices[changed % len(voices)], fade_s, at)
        mixed = mixer.process(sound[at : at + BLOCK])
        if mixed.failures:
            raise NotMeasured(f"{mixed.failures[0].voice.name}: {mixed.failures[0].why}")
        played.append(mixed.samples)
        came += mixed.arrived
    output = np.concatenate(played)
    if changed < CHANGES:
        raise NotMeasured(f"only {changed} changes of voice came in {len(sound) / RATE:.0f} s")
    # A click is a kink far sharper than those of the speech around it.
    kinks = np.abs(np.diff(output, 2))
    ratios = [
        kinks[at : at + 2 * BLOCK].max()
        / max(kinks[max(at - 6 * BLOCK, 0) : at].max(), kinks[at + 2 * BLOCK : at + 8 * BLOCK].max(), 0.005)
        for at in came
    ]
    return {
        "changes": len(came),
        "missing_samples": len(sound) - len(output),
        "kink_over_surroundings_worst": float(max(ratios)),
        "kink_over_surroundings_median": float(np.median(ratios)),
    }


def _print(metrics: SoundFigures) -> None:
    rows = []
    for name, limit, rtf_limit in (("WORLD", 100.0, 0.3), ("quick", 40.0, 0.2)):
        plain = metrics["shift of 0"][name]
        presets = [p for key, p in metrics["presets"].items() if key.endswith(QUICK_SUFFIX) == (name == "quick")]
        total = max(preset["total_ms"] for preset in presets)
        lag = plain["lag_beyond_declared_ms"]
        low = min(plain["stoi"].values())
        cents = max(abs(c) for by in metrics["pitch"][name].values() for c in by.values())
        rtf = max(preset["rtf"] for preset in presets)
        rows += [
            Row(f"{name}: latency, block in to block out", f"{total:.1f} ms", f"<= {limit:.0f} ms", total <= limit),
            Row(f"{name}: found by cross-correlation, beyond that", f"{lag:+.2f} ms", "within 1 ms", abs(lag) <= 1),
            Row(f"{name}: rtf of the dearest preset", f"{rtf:.3f}", f"<= {rtf_limit}", rtf <= rtf_limit),
            Row(f"{name}: STOI of a shift of 0, lowest speaker", f"{low:.3f}", ">= 0.9", low >= 0.9),
            Row(f"{name}: F0 off, worst speaker and shift", f"{cents:.1f} cents", "<= 20 (median)", cents <= 20),
        ]
    for hop, cost in metrics["hops"].items():
        wanted = ("<= 0.3", cost["rtf"] <= 0.3) if hop == "20 ms" else ("", None)
        rows.append(Row(f"WORLD at hops of {hop}: rtf, a block p50 / p99", _cost_text(cost), wanted[0], wanted[1]))
    blocks, changes = metrics["blocks"], metrics["changes"]
    worst = blocks["largest_difference"]
    rows += [
        Row(f"in blocks against whole, {blocks['combinations']} ways", f"{worst:.1e}", "<= 1e-6", worst <= 1e-6),
        Row(f"{changes['changes']} changes: samples missing", str(changes["missing_samples"]), "0"),
        Row(
            "sharpest kink at a change over those around",
            f"{changes['kink_over_surroundings_worst']:.2f} x",
            "<= 4",
            changes["kink_over_surroundings_worst"] <= 4,
        ),
    ]
    for name, preset in metrics["presets"].items():
        kept = f"STOI {preset['stoi']:.2f}, {preset['level_db']:+.1f} dB"
        rows.append(Row(name, f"{preset['total_ms']:.1f} ms, {kept}, rtf {preset['rtf']:.3f}"))
    print_table(f"sound: {len(metrics['speakers'])} speakers, {SECONDS:g} s each, 48 kHz, one core", rows)


def _cost_text(cost: CostFigures) -> str:
    return f"{cost['rtf']:.3f}, {cost['p50_ms']:.1f} / {cost['p99_ms']:.1f} ms"
