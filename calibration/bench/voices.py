"""Whose voice learned voices sound like: 4 speakers of LibriSpeech are converted to each other.

8 sentences of each are learned from, the 2 others converted to each of the 3 other speakers: 24 conversions a row, at
16 kHz. From row to row a little more is converted, up to the frozen voice by statistics; with --work the families that
are trained follow, block by block as on stage. A row is one function of a Conversion.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypedDict

import numpy as np
import pyworld
from numpy.typing import NDArray

from calibration.bench.benchmark import BenchOptions, NotMeasured
from calibration.bench.footage import data_folders
from calibration.bench.statistics_voices import freeze_statistics
from calibration.bench.table import Row, print_table
from calibration.bench.voice_families import TRAINING_MINUTES, FamilyVoice, train_families
from export.metrics.voice import MetricUnavailable, f0_error_cents, intelligibility
from export.pretrained.speaker_encoder import Embedding, SpeakerEncoder, mean_embedding, similarity
from export.runtime.frozen_session import FrozenSession
from export.runtime.frozen_voice import open_frozen_voice
from export.runtime.session import open_session
from models.features.block_adapter import BlockAdapter, streamed
from models.features.media.sound_files import read_sound_file
from models.features.speech import WorldFrames, analyse, decode_envelope, encode_envelope
from models.features.types import Mono, Signal
from models.prepare.voice import features_of
from models.prepare.voice_data import Features, SpeakerStatistics, measure

SPEAKERS = ("1688", "1998", "2414", "533")
LEARNED = 8
RATE = 16000
BLOCK = 160
WANTED = {"target": 0.70, "nearer": 19, "stoi": 0.75}


class CorpusSentence:
    """A recording of the corpus, analysed once."""

    def __init__(self, path: Path) -> None:
        samples, rate = read_sound_file(path)
        if rate != RATE:
            raise NotMeasured(f"{path} has {rate} Hz, where LibriSpeech has {RATE}")
        self.sound: Mono = samples[:, 0]

    @cached_property
    def frames(self) -> WorldFrames:
        return analyse(self.sound, RATE)

    @cached_property
    def features(self) -> Features:
        return features_of(self.sound, RATE)

    @property
    def mcep(self) -> Signal:
        return np.asarray(encode_envelope(self.frames.envelope, RATE), np.float64)


@dataclass(frozen=True)
class Conversion:
    """One conversion: a sentence of speaker `source` to sound like speaker `target`, both indices in SPEAKERS."""

    sentence: CorpusSentence
    source: int
    target: int
    speakers: tuple[SpeakerStatistics, ...]
    frozen: FrozenSession
    """The frozen voice of the target; its own source 0 is an unknown speaker, 1 the first of SPEAKERS."""
    earlier_features: list[Features]
    """The source's other sentences."""
    earlier_sound: NDArray[np.float32]
    """The same as sound, one after the other."""

    @property
    def lf0_wanted(self) -> Signal:
        """ln F0 as it should be after conversion, (t,), 0 where unvoiced."""
        source, target = self.speakers[self.source], self.speakers[self.target]
        lf0 = np.log(np.where(self.sentence.frames.f0 > 0, self.sentence.frames.f0, 1.0))
        moved = (lf0 - source.lf0_mean) / source.lf0_std * target.lf0_std + target.lf0_mean
        return np.where(self.sentence.frames.f0 > 0, moved, 0.0)


def unconverted(conversion: Conversion) -> Signal:
    return np.asarray(conversion.sentence.sound, np.float64)


def through_world(conversion: Conversion) -> Signal:
    return _synthesize(conversion, conversion.sentence.frames.f0, conversion.sentence.mcep)


def f0_alone(conversion: Conversion) -> Signal:
    return _synthesize(conversion, _hz(conversion.lf0_wanted), conversion.sentence.mcep)


def f0_and_mean(conversion: Conversion) -> Signal:
    source, target = conversion.speakers[conversion.source], conversion.speakers[conversion.target]
    mcep = conversion.sentence.mcep
    mcep[:, 1:] += (target.mcep_mean - source.mcep_mean)[1:]
    return _synthesize(conversion, _hz(conversion.lf0_wanted), mcep)


def f0_mean_and_std(conversion: Conversion) -> Signal:
    source, target = conversion.speakers[conversion.source], conversion.speakers[conversion.target]
    mcep = conversion.sentence.mcep
    moved = (mcep - source.mcep_mean) / source.mcep_std * target.mcep_std + target.mcep_mean
    mcep[:, 1:] = moved[:, 1:]
    return _synthesize(conversion, _hz(conversion.lf0_wanted), mcep)


def frozen_known_source(conversion: Conversion) -> Signal:
    return _convert_by_hops(conversion, conversion.source + 1, [])


def frozen_unknown_cold(conversion: Conversion) -> Signal:
    return _convert_by_hops(conversion, 0, [])


def frozen_unknown_warm(conversion: Conversion) -> Signal:
    return _convert_by_hops(conversion, 0, conversion.earlier_features)


def live_known_source(conversion: Conversion) -> Signal:
    return _convert_live(conversion, FamilyVoice(conversion.frozen.path, conversion.source + 1))


def live_unknown_warm(conversion: Conversion) -> Signal:
    return _convert_live(conversion, FamilyVoice(conversion.frozen.path, 0))


def _trained_row(
    voices: Mapping[tuple[int, int], FamilyVoice], *, known_source: bool
) -> Callable[[Conversion], Signal]:
    def row(conversion: Conversion) -> Signal:
        voice = voices[conversion.source, conversion.target]
        return _convert_live(conversion, voice if known_source else voice._replace(source=0))

    return row


ROWS: dict[str, Callable[[Conversion], Signal]] = {
    "nothing": unconverted,
    "nothing, through WORLD": through_world,
    "F0": f0_alone,
    "F0, mean of the MCEPs": f0_and_mean,
    "F0, mean and spread of the MCEPs": f0_mean_and_std,
    "the frozen voice, told who speaks": frozen_known_source,
    "not told, from their first word": frozen_unknown_cold,
    "not told, after their other sentences": frozen_unknown_warm,
    "live, block by block, told who speaks": live_known_source,
    "live, not told, after their other sentences": live_unknown_warm,
}
"""What is converted -> how: (samples,) at RATE, aligned with the sentence."""

WITH_TARGET = (
    "F0, mean and spread of the MCEPs",
    "the frozen voice, told who speaks",
    "live, block by block, told who speaks",
)


class RowFigures(TypedDict):
    """One row, over all conversions; stoi: words kept; nearer_target: how many."""

    to_target: float
    to_source: float
    nearer_target: int
    stoi: float
    f0_error_cents: float


def run(options: BenchOptions) -> dict[str, RowFigures]:
    """All rows: similarity to the target and to the source, how many are nearer the target, STOI, F0 error."""
    folder = _speech_folder()
    try:
        encoder = SpeakerEncoder()
    except MetricUnavailable as error:
        raise NotMeasured(str(error)) from error
    sentences = [[CorpusSentence(path) for path in sorted(folder.glob(f"{name}-*.flac"))] for name in SPEAKERS]
    speaker_embeddings = [mean_embedding(encoder.embed(s.sound, RATE) for s in own[:LEARNED]) for own in sentences]
    metrics: dict[str, RowFigures] = {}
    with tempfile.TemporaryDirectory(prefix="guise-voices-") as name:
        learned = {name: [s.features for s in own[:LEARNED]] for name, own in zip(SPEAKERS, sentences, strict=True)}
        sessions = [open_session(path, "cpu", 1) for path in freeze_statistics(Path(name), learned, RATE)]
        conversions = _conversions(sentences, sessions)
        for row, convert in ROWS.items():
            metrics[row] = _measure_row(conversions, convert, encoder, speaker_embeddings)
        for session in sessions:
            session.close()
    for row, convert in _family_rows(options, folder):
        metrics[row] = _measure_row(conversions, convert, encoder, speaker_embeddings)
    _print(metrics, len(conversions))
    return metrics


def _conversions(sentences: list[list[CorpusSentence]], sessions: list[FrozenSession]) -> list[Conversion]:
    """Every sentence that was not learned from, to every other speaker; `sessions` by their targets."""
    learned = [[sentence.features for sentence in own[:LEARNED]] for own in sentences]
    sounds = [np.concatenate([sentence.sound for sentence in own[:LEARNED]]) for own in sentences]
    speakers = tuple(measure(features) for features in learned)
    return [
        Conversion(sentence, source, target, speakers, sessions[target], learned[source], sounds[source])
        for source, own in enumerate(sentences)
        for sentence in own[LEARNED:]
        for target in range(len(SPEAKERS))
        if target != source
    ]


def _family_rows(options: BenchOptions, folder: Path) -> Iterator[tuple[str, Callable[[Conversion], Signal]]]:
    """The rows of the families that are trained, where there is a folder for their runs. Raises NotMeasured."""
    if options.work is None:
        return
    recordings = {name: sorted(folder.glob(f"{name}-*.flac"))[:LEARNED] for name in SPEAKERS}
    for family, voices in train_families(options.work, options.minutes or TRAINING_MINUTES, recordings):
        if all(voice.source for voice in voices.values()):
            yield f"{family}, live, told who speaks", _trained_row(voices, known_source=True)
        yield f"{family}, live, not told", _trained_row(voices, known_source=False)


def _measure_row(
    conversions: list[Conversion],
    convert: Callable[[Conversion], Signal],
    encoder: SpeakerEncoder,
    speaker_embeddings: list[Embedding],
) -> RowFigures:
    rows, cents = [], []
    for conversion in conversions:
        converted = convert(conversion)
        embedding = encoder.embed(converted, RATE)
        to_target, to_source = (
            similarity(embedding, speaker_embeddings[conversion.target]),
            similarity(embedding, speaker_embeddings[conversion.source]),
        )
        words_kept = intelligibility(conversion.sentence.sound, converted, RATE)
        rows.append((to_target, to_source, to_target > to_source, words_kept))
        found, _ = pyworld.dio(np.ascontiguousarray(converted, np.float64), RATE)
        cents.append(f0_error_cents(_hz(conversion.lf0_wanted), found))
    table = np.array(rows, np.float64)
    return {
        "to_target": float(table[:, 0].mean()),
        "to_source": float(table[:, 1].mean()),
        "nearer_target": int(table[:, 2].sum()),
        "stoi": float(table[:, 3].mean()),
        "f0_error_cents": float(np.median([c for c in cents if c is not None])),
    }


def _convert_by_hops(conversion: Conversion, source: int, earlier: list[Features]) -> Signal:
    """Hop by hop through the frozen voice, over frames that were analysed as a whole, after the `earlier` sentences."""
    states: dict[str, NDArray[np.generic]] = {
        name: np.zeros(port.shape, port.dtype)
        for name, port in conversion.frozen.inputs.items()
        if name in conversion.frozen.manifest.states
    }
    for sentence in earlier:
        _run_session(conversion.frozen, sentence, source, states)
    mcep, lf0 = _run_session(conversion.frozen, conversion.sentence.features, source, states)
    return _synthesize(conversion, _hz(lf0), mcep)


def _convert_live(conversion: Conversion, voice: FamilyVoice) -> Signal:
    """As on stage: blocks of 10 ms, analysed as they come; a voice that is not told the speaker has processed their
    other sentences before."""
    player = BlockAdapter(open_frozen_voice(voice.path, "cpu"), "live", RATE, BLOCK)
    player.set("source", voice.source)
    if voice.source == 0:
        player.process(conversion.earlier_sound[: len(conversion.earlier_sound) // BLOCK * BLOCK])
    return np.asarray(streamed(player, conversion.sentence.sound, BLOCK), np.float64)


def _run_session(
    session: FrozenSession, sentence: Features, source: int, states: dict[str, NDArray[np.generic]]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(t, 36) and (t,) converted; `states` are carried on. The last hop is padded with its last frame."""
    hop, length = session.inputs["lf0"].shape[1], len(sentence.lf0)
    padding = -length % hop
    mcep = np.pad(sentence.mcep, ((0, padding), (0, 0)), "edge")[None]
    lf0, voiced = (np.pad(x, (0, padding), "edge")[None].astype(np.float32) for x in (sentence.lf0, sentence.voiced))
    mceps, lf0s = [], []
    for begin in range(0, length, hop):
        part = slice(begin, begin + hop)
        outputs = session.run(
            mcep=mcep[:, part], lf0=lf0[:, part], voiced=voiced[:, part], source=np.array([source]), **states
        )
        mceps.append(outputs["converted_mcep"][0].copy())
        lf0s.append(outputs["converted_lf0"][0].copy())
        states |= {name: outputs[next_state].copy() for name, next_state in session.manifest.states.items()}
    return np.concatenate(mceps)[:length], np.concatenate(lf0s)[:length]


def _hz(lf0: NDArray[np.floating]) -> Signal:
    return np.where(lf0 > 0, np.exp(lf0), 0.0).astype(np.float64)


def _synthesize(conversion: Conversion, hz: Signal, mcep: NDArray[np.floating]) -> Signal:
    frames = len(hz)
    aperiodicity = np.ascontiguousarray(conversion.sentence.frames.aperiodicity[:frames])
    return np.asarray(pyworld.synthesize(hz, decode_envelope(mcep[:frames], RATE), aperiodicity, RATE, 5.0))


def _speech_folder() -> Path:
    folder = data_folders()[0] / "speech"
    for found in (folder / "librispeech_test-other", folder):
        if all(len(list(found.glob(f"{name}-*.flac"))) > LEARNED for name in SPEAKERS):
            return found
    raise NotMeasured(f"no sentences of LibriSpeech {', '.join(SPEAKERS)} in {folder}: set GUISE_DATA")


def _print(metrics: Mapping[str, RowFigures], conversions: int) -> None:
    rows = []
    for name, measured in metrics.items():
        text = (
            f"{measured['to_target']:.3f}  {measured['to_source']:.3f}  "
            f"{measured['nearer_target']:2d} of {conversions}  "
            f"{measured['stoi']:.3f}  {measured['f0_error_cents']:5.0f}"
        )
        if name not in WITH_TARGET and ", live, " not in name:
            rows.append(Row(name, text))
            continue
        held = (
            round(measured["to_target"], 2) >= WANTED["target"]
            and measured["nearer_target"] >= WANTED["nearer"]
            and round(measured["stoi"], 2) >= WANTED["stoi"]
        )
        rows.append(Row(name, text, "{target:.2f}, {nearer}, {stoi:.2f}".format(**WANTED), held))
    print_table(
        f"voices: {', '.join(SPEAKERS)} of LibriSpeech, {LEARNED} sentences each to learn from",
        rows,
        "similarity to the target, to the source; nearer the target; STOI; cents from the F0 wanted (median)",
    )
