"""The sounds in TensorBoard of a voice in training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn

from models.datasets.voice_segments import VoiceSegments
from models.families.stargan_vc import StarGanVc
from models.features.speech import MCEPS, analyse
from models.voices.learned_voice import final_network
from models.voices.spoken_samples import PAUSE_S, Crop, sound_sample, sound_samples
from tests.models.learned_voices import WHO, learned, write_voices

torch.set_num_threads(1)
RATE, FRAMES = 16_000, 128


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_voices(tmp_path_factory.mktemp("voices"), ["anna", "ben", "carl"])


@pytest.fixture(scope="module")
def segments(folders: list[Path]) -> VoiceSegments:
    return VoiceSegments(folders, FRAMES)


def crop(segments: VoiceSegments, speaker: int) -> Crop:
    """At the level of speech, with the speaker's mean voice and pitch."""
    lf0 = segments.facts.speakers[speaker].normal[0][0]
    return Crop(torch.zeros(MCEPS, FRAMES), torch.full((FRAMES,), lf0), speaker)


def parts(sound: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Source, conversion and target."""
    long, pause = FRAMES * RATE // 200, round(PAUSE_S * RATE)
    assert len(sound) == 3 * long + 2 * pause
    return [sound[begin : begin + long] for begin in (0, long + pause, 2 * (long + pause))]


def hz(sound: NDArray[np.float32]) -> float:
    f0 = analyse(sound, RATE).f0
    return float(np.median(f0[f0 > 0]))


def test_the_made_one_has_the_targets_pitch_and_the_read_one_its_own(segments: VoiceSegments) -> None:
    anna, ben = crop(segments, 0), crop(segments, 1)
    ((name, (sound, rate)),) = sound_sample(anna, anna.mcep, ben, segments.facts).items()
    assert (name, rate) == ("anna as ben", RATE)
    assert 0.1 < np.abs(sound).max() <= 1
    read, generated, expected = map(hz, parts(sound))
    assert read == pytest.approx(np.exp(WHO["anna"][0]), rel=0.05)
    assert generated == pytest.approx(np.exp(WHO["ben"][0]), rel=0.05)
    assert expected == pytest.approx(np.exp(WHO["ben"][0]), rel=0.05)


@pytest.mark.parametrize("wild", [float("nan"), float("inf"), 1e6, -1e6])
def test_a_network_that_lost_its_way_can_be_listened_to(segments: VoiceSegments, wild: float) -> None:
    anna, ben = crop(segments, 0), crop(segments, 1)
    ((sound, _),) = sound_sample(anna, torch.full_like(anna.mcep, wild), ben, segments.facts).values()
    assert np.isfinite(sound).all()
    assert np.abs(sound).max() <= 1


def test_nobody_becomes_himself(segments: VoiceSegments) -> None:
    kind = StarGanVc()
    networks = kind.networks(kind.options(), segments.facts)
    batch = torch.utils.data.default_collate([segments.crop(n, speaker) for n, speaker in enumerate((0, 0, 2))])
    assert list(sound_samples(final_network(networks, "generator"), batch, segments.facts)) == [
        "anna as carl",
        "carl as anna",
    ]


def test_the_log_holds_what_an_audible_family_offers(folders: list[Path], tmp_path: Path) -> None:
    class Heard(StarGanVc):
        def sounds(self, networks: Mapping[str, nn.Module], batch: Mapping[str, Tensor], facts: Any) -> Any:
            return sound_samples(final_network(networks, "generator"), batch, facts)

    options = {"width": 0.1, "critic": 0.1, "frames": 32, "batch": 2, "steps": 1}
    learned(Heard(), folders, tmp_path / "run", **options)
    (events,) = (tmp_path / "run" / "log").glob("events.*")
    log = EventAccumulator(str(events))
    log.Reload()
    tags = log.Tags()["audio"]
    assert tags
    for tag in tags:
        assert tag.startswith("held out: read, made, wanted/")
        (logged,) = log.Audio(tag)
        assert (logged.sample_rate, logged.length_frames) == (RATE, 3 * 32 * RATE // 200 + 2 * round(PAUSE_S * RATE))
