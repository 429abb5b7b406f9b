"""Whom learned voices sound like: 4 speakers of LibriSpeech become each other.

8 sentences of each are learned from, the 2 others converted to each of the 3 others: 24 conversions a row, at 16 kHz.
In each row a little more is moved, up to the frozen voice by statistics; with --work the families that are trained
follow, block by block as on stage. A row is one function of a Case.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyworld
import soundfile
from numpy.typing import NDArray

from calibration.bench.benchmark import BenchOptions, NotMeasured
from calibration.bench.table import Row, print_table
from calibration.bench.voice_families import TRAINING_MINUTES, FamilyVoice, train_families
from export.freeze.freeze import freeze_from_plan
from export.metrics.voice import MetricUnavailable, f0_error_cents, intelligibility
from export.pretrained.speaker_encoder import Embedding, SpeakerEncoder, mean_embedding, similarity
from export.runtime.frozen_voice import open_frozen_voice
from export.runtime.session import FrozenSession, open_session
from models.families.statistics import StatisticsFamily as Family
from models.families.statistics import moments
from models.features.block_adapter import BlockAdapter, streamed
from models.features.speech import WorldFrames, analyse, decode_envelope, encode_envelope
from models.features.types import Signal
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
        samples, rate = soundfile.read(path, dtype="float32")
        if rate != RATE:
            raise NotMeasured(f"{path} has {rate} Hz, where LibriSpeech has {RATE}")
        self.sound: NDArray[np.float32] = samples

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
    """One conversion: a sentence of speaker `source` to sound like speaker `target`, both numbers in SPEAKERS."""

    sentence: CorpusSentence
    source: int
    target: int
    speakers: tuple[SpeakerStatistics, ...]
    frozen: FrozenSession
    """The frozen voice of the target; its own source 0 is whoever speaks, 1 the first of SPEAKERS."""
    heard_before: list[Features]
    """The source's other sentences."""
    before: NDArray[np.float32]
    """The same as sound, one after the other."""

    @property
    def lf0_wanted(self) -> Signal:
        """ln F0 as it should come out, (t,), 0 where unvoiced."""
        was, is_to_be = self.speakers[self.source], self.speakers[self.target]
        lf0 = np.log(np.where(self.sentence.frames.f0 > 0, self.sentence.frames.f0, 1.0))
        moved = (lf0 - was.lf0_mean) / was.lf0_std * is_to_be.lf0_std + is_to_be.lf0_mean
        return np.where(self.sentence.frames.f0 > 0, moved, 0.0)


def unconverted(case: Conversion) -> Signal:
    return np.asarray(case.sentence.sound, np.float64)


def through_world(case: Conversion) -> Signal:
    return _synthesize(case, case.sentence.frames.f0, case.sentence.mcep)


def f0_alone(case: Conversion) -> Signal:
    return _synthesize(case, _hz(case.lf0_wanted), case.sentence.mcep)


def f0_and_mean(case: Conversion) -> Signal:
    was, is_to_be = case.speakers[case.source], case.speakers[case.target]
    mcep = case.sentence.mcep
    mcep[:, 1:] += (is_to_be.mcep_mean - was.mcep_mean)[1:]
    return _synthesize(case, _hz(case.lf0_wanted), mcep)


def f0_mean_and_std(case: Conversion) -> Signal:
    was, is_to_be = case.speakers[case.source], case.speakers[case.target]
    mcep = case.sentence.mcep
    moved = (mcep - was.mcep_mean) / was.mcep_std * is_to_be.mcep_std + is_to_be.mcep_mean
    mcep[:, 1:] = moved[:, 1:]
    return _synthesize(case, _hz(case.lf0_wanted), mcep)


def frozen_known_source(case: Conversion) -> Signal:
    return _convert_by_hops(case, case.source + 1, [])


def frozen_unknown_cold(case: Conversion) -> Signal:
    return _convert_by_hops(case, 0, [])


def frozen_unknown_warm(case: Conversion) -> Signal:
    return _convert_by_hops(case, 0, case.heard_before)


def live_known_source(case: Conversion) -> Signal:
    return _convert_live(case, FamilyVoice(case.frozen.path, case.source + 1))


def live_unknown_warm(case: Conversion) -> Signal:
    return _convert_live(case, FamilyVoice(case.frozen.path, 0))


def _trained_row(voices: Mapping[tuple[int, int], FamilyVoice], *, told: bool) -> Callable[[Conversion], Signal]:
    def row(case: Conversion) -> Signal:
        voice = voices[case.source, case.target]
        return _convert_live(case, voice if told else voice._replace(source=0))

    return row


ROWS: dict[str, Callable[[Conversion], Signal]] = {
    "nothing": unconverted,
    "nothing, through WORLD": through_world,
    "F0": f0_alone,
    "F0, mean of the MCEPs": f0_and_mean,
    "F0, mean and spread of the MCEPs": f0_mean_and_std,
    "the frozen voice, told who speaks": frozen_known_source,
    "not told, from his first word": frozen_unknown_cold,
    "not told, after his other sentences": frozen_unknown_warm,
    "live, block by block, told who speaks": live_known_source,
    "live, not told, after his other sentences": live_unknown_warm,
}
"""What is moved -> how: (samples,) at RATE, aligned with the sentence."""

WITH_TARGET = (
    "F0, mean and spread of the MCEPs",
    "the frozen voice, told who speaks",
    "live, block by block, told who speaks",
)


def run(options: BenchOptions) -> dict[str, Any]:
    """All rows: similarity to the target and the source, how many are nearer the target, STOI, F0 error."""
    folder = _speech_folder()
    try:
        encoder = SpeakerEncoder()
    except MetricUnavailable as error:
        raise NotMeasured(str(error)) from error
    sentences = [[CorpusSentence(path) for path in sorted(folder.glob(f"{name}-*.flac"))] for name in SPEAKERS]
    learned = [[sentence.features for sentence in own[:LEARNED]] for own in sentences]
    persons = [mean_embedding(encoder.embed(s.sound, RATE) for s in own[:LEARNED]) for own in sentences]
    speakers = tuple(measure(features) for features in learned)
    metrics: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="guise-voices-") as name:
        sessions = [open_session(path, "cpu", 1) for path in freeze_statistics(Path(name), learned)]
        spoken = [np.concatenate([sentence.sound for sentence in own[:LEARNED]]) for own in sentences]
        cases = [
            Conversion(sentence, source, target, speakers, sessions[target], learned[source], spoken[source])
            for source, own in enumerate(sentences)
            for sentence in own[LEARNED:]
            for target in range(len(SPEAKERS))
            if target != source
        ]
        for row, convert in ROWS.items():
            metrics[row] = _measure_row(cases, convert, encoder, persons)
        for session in sessions:
            session.close()
    if options.work is not None:
        recordings = {name: sorted(folder.glob(f"{name}-*.flac"))[:LEARNED] for name in SPEAKERS}
        minutes = options.minutes or TRAINING_MINUTES
        for family, voices in train_families(options.work, minutes, recordings):
            if all(voice.source for voice in voices.values()):
                told = f"{family}, live, told who speaks"
                metrics[told] = _measure_row(cases, _trained_row(voices, told=True), encoder, persons)
            metrics[f"{family}, live, not told"] = _measure_row(
                cases, _trained_row(voices, told=False), encoder, persons
            )
    _print(metrics, len(cases))
    return metrics


def freeze_statistics(folder: Path, learned: list[list[Features]]) -> list[Path]:
    """The family `statistics` learned from everybody's sentences, frozen once for each as the target."""
    family = Family()
    options = family.options(**family.recipes["default"])
    facts = {"sample_rate": RATE, "speakers": [{"name": name} for name in SPEAKERS]}
    networks = family.networks(options, facts)
    heard = networks["speakers"]
    for number, sentences in enumerate(learned):
        for sentence in sentences:
            for part, found in moments(sentence).items():
                getattr(heard, part)[number] += found
    training = {"data_digest": "bench", "steps": 1, "samples_seen": LEARNED * len(learned), "minutes": 0.0}
    paths = []
    for name in SPEAKERS:
        paths.append(folder / f"{name}.onnx")
        fields = {"kind": "voice", "family": family.name, "name": name, "training": training}
        fields |= {"subject": "LibriSpeech, CC BY 4.0", "licence": "CC BY 4.0"}
        freeze_from_plan(family.freeze(networks, options, facts, name), paths[-1], fields)
    return paths


def _measure_row(
    cases: list[Conversion], convert: Callable[[Conversion], Signal], encoder: SpeakerEncoder, persons: list[Embedding]
) -> dict[str, Any]:
    rows, cents = [], []
    for case in cases:
        said = convert(case)
        whose = encoder.embed(said, RATE)
        to_target, to_source = similarity(whose, persons[case.target]), similarity(whose, persons[case.source])
        kept = intelligibility(case.sentence.sound, said, RATE)
        rows.append((to_target, to_source, to_target > to_source, kept))
        found, _ = pyworld.dio(np.ascontiguousarray(said, np.float64), RATE)
        cents.append(f0_error_cents(_hz(case.lf0_wanted), found))
    table = np.array(rows, np.float64)
    return {
        "to_target": float(table[:, 0].mean()),
        "to_source": float(table[:, 1].mean()),
        "nearer_target": int(table[:, 2].sum()),
        "stoi": float(table[:, 3].mean()),
        "f0_error_cents": float(np.median([c for c in cents if c is not None])),
    }


def _convert_by_hops(case: Conversion, source: int, before: list[Features]) -> Signal:
    """Hop by hop through the frozen voice, over frames that were analysed whole, after it has heard `before`."""
    states: dict[str, NDArray[Any]] = {
        name: np.zeros(port.shape, port.dtype)
        for name, port in case.frozen.inputs.items()
        if name in case.frozen.manifest.states
    }
    for sentence in before:
        _run_session(case.frozen, sentence, source, states)
    mcep, lf0 = _run_session(case.frozen, case.sentence.features, source, states)
    return _synthesize(case, _hz(lf0), mcep)


def _convert_live(case: Conversion, voice: FamilyVoice) -> Signal:
    """As on stage: blocks of 10 ms, analysed as they come; who is not told who speaks has heard his other sentences."""
    played = BlockAdapter(open_frozen_voice(voice.path, "cpu"), "live", RATE, BLOCK)
    played.set("source", voice.source)
    if voice.source == 0:
        played.process(case.before[: len(case.before) // BLOCK * BLOCK])
    return np.asarray(streamed(played, case.sentence.sound, BLOCK), np.float64)


def _run_session(
    session: FrozenSession, sentence: Features, source: int, states: dict[str, NDArray[Any]]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(t, 36) and (t,) converted; `states` are carried on. The last hop is filled up by its last frame."""
    hop, length = session.inputs["lf0"].shape[1], len(sentence.lf0)
    fill = -length % hop
    mcep = np.pad(sentence.mcep, ((0, fill), (0, 0)), "edge")[None]
    lf0, voiced = (np.pad(x, (0, fill), "edge")[None].astype(np.float32) for x in (sentence.lf0, sentence.voiced))
    mceps, lf0s = [], []
    for begin in range(0, length, hop):
        part = slice(begin, begin + hop)
        answer = session.run(
            mcep=mcep[:, part], lf0=lf0[:, part], voiced=voiced[:, part], source=np.array([source]), **states
        )
        mceps.append(answer["converted_mcep"][0].copy())
        lf0s.append(answer["converted_lf0"][0].copy())
        states |= {name: answer[after].copy() for name, after in session.manifest.states.items()}
    return np.concatenate(mceps)[:length], np.concatenate(lf0s)[:length]


def _hz(lf0: NDArray[Any]) -> Signal:
    return np.where(lf0 > 0, np.exp(lf0), 0.0).astype(np.float64)


def _synthesize(case: Conversion, hz: Signal, mcep: NDArray[Any]) -> Signal:
    frames = len(hz)
    aperiodicity = np.ascontiguousarray(case.sentence.frames.aperiodicity[:frames])
    return np.asarray(pyworld.synthesize(hz, decode_envelope(mcep[:frames], RATE), aperiodicity, RATE, 5.0))


def _speech_folder() -> Path:
    root = os.environ.get("GUISE_DATA")
    folder = (Path(root) if root else Path(__file__).resolve().parents[3] / "shared" / "data") / "speech"
    for found in (folder / "librispeech_test-other", folder):
        if all(len(list(found.glob(f"{name}-*.flac"))) > LEARNED for name in SPEAKERS):
            return found
    raise NotMeasured(f"no sentences of LibriSpeech {', '.join(SPEAKERS)} in {folder}: set GUISE_DATA")


def _print(metrics: Mapping[str, Any], conversions: int) -> None:
    rows = []
    for name, found in metrics.items():
        said = (
            f"{found['to_target']:.3f}  {found['to_source']:.3f}  {found['nearer_target']:2d} of {conversions}  "
            f"{found['stoi']:.3f}  {found['f0_error_cents']:5.0f}"
        )
        if name not in WITH_TARGET and ", live, " not in name:
            rows.append(Row(name, said))
            continue
        held = (
            round(found["to_target"], 2) >= WANTED["target"]
            and found["nearer_target"] >= WANTED["nearer"]
            and round(found["stoi"], 2) >= WANTED["stoi"]
        )
        rows.append(Row(name, said, "{target:.2f}, {nearer}, {stoi:.2f}".format(**WANTED), held))
    print_table(
        f"voices: {', '.join(SPEAKERS)} of LibriSpeech, {LEARNED} sentences each to learn from",
        rows,
        "similarity to the target, to the source; nearer the target; STOI; cents from the F0 wanted (median)",
    )
