"""Recordings -> a data set, on real speech and on unusable recordings."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import soundfile
import soxr
from numpy.typing import NDArray

import guise
from models.features.speech import MCEPS, frame_samples
from models.prepare.data_error import DataError
from models.prepare.segmentation import decode, denoised, levels_dbfs, sentences
from models.prepare.voice import Sentence, VoiceOptions, _thinned, prepare_voice, report
from models.prepare.voice_data import VoiceData, measure
from models.prepare.voice_facts import read_voice_facts

RATE = 16000
SPEAKER = "533"


@pytest.fixture(scope="module")
def speech(data: Path) -> list[NDArray[np.float32]]:
    """The first 2.6 s of some recordings of one speaker."""
    paths = sorted((data / "speech" / "librispeech_test-other").glob(f"{SPEAKER}-*.flac"))
    return [soundfile.read(path, frames=int(2.6 * RATE), dtype="float32")[0] for path in paths[:6]]


@pytest.fixture(scope="module")
def recordings(speech: list[NDArray[np.float32]], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("rec")
    return [_written(folder / f"{number}.flac", sound) for number, sound in enumerate(speech)]


@pytest.fixture(scope="module")
def prepared(recordings: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("data") / "anna"
    prepare_voice(recordings, out, None, VoiceOptions())
    return out


def test_sentences_features_statistics_and_report_are_there(prepared: Path) -> None:
    facts = read_voice_facts(prepared)
    assert (facts.name, facts.sample_rate, facts.kind) == ("anna", RATE, "voice")
    assert sum(facts.seconds.values()) > 9
    assert "sentences to learn from" in (prepared / "report.txt").read_text()
    plots = cv2.imread(str(prepared / "plots.png"))
    assert plots is not None
    assert plots.shape[1] > 1000
    data = VoiceData([prepared])
    assert len(data) == facts.sentences["train"] > 2
    one, sound = data.features(0), data.sound(0)
    frames = len(one.lf0)
    assert one.mcep.shape == (frames, MCEPS)
    assert one.mcep.dtype == one.lf0.dtype == np.float32
    assert abs(frames - len(sound) / frame_samples(RATE)) <= 1
    assert np.array_equal(one.lf0 > 0, one.voiced)
    assert one.aperiodicity.shape[0] == frames


def test_the_statistics_are_those_of_what_is_learned_from(prepared: Path) -> None:
    data = VoiceData([prepared])
    found = measure(data.features(i) for i in range(len(data)))
    stored = read_voice_facts(prepared).statistics
    assert stored["lf0_mean"] == pytest.approx(found.lf0_mean)
    np.testing.assert_allclose(stored["mcep_std"], found.mcep_std)
    # The reader of LibriSpeech 533 is a woman who speaks at about 230 Hz.
    assert 190 < np.exp(found.lf0_mean) < 270


def test_whole_recordings_are_held_out(prepared: Path, recordings: list[Path]) -> None:
    facts = read_voice_facts(prepared)
    assert facts.sentences["held_out"] > 0
    parts = {part: [int(path.stem) for path in (prepared / part).glob("*.npz")] for part in ("train", "held_out")}
    # Sentences are numbered in the order of the recordings, and these are short: held out are neighbours.
    counts = np.cumsum([source["sentences"] for source in facts.sources])
    whose = {part: {int(np.searchsorted(counts, n, "right")) for n in numbers} for part, numbers in parts.items()}
    assert not whose["train"] & whose["held_out"]
    assert len(whose["train"] | whose["held_out"]) == len(recordings)


def test_of_hardly_a_minute_all_may_be_learned_from(recordings: list[Path], tmp_path: Path) -> None:
    facts = prepare_voice(recordings, tmp_path / "all", None, VoiceOptions(learn_all=True))
    assert facts.sentences["held_out"] == 0
    assert facts.sentences["train"] == len(list((tmp_path / "all" / "train").glob("*.npz"))) > 1


def test_sentences_come_to_one_level(prepared: Path, recordings: list[Path], tmp_path: Path) -> None:
    quiet = [_written(tmp_path / path.name, 0.1 * soundfile.read(path)[0]) for path in recordings[:1]]
    prepare_voice(quiet, tmp_path / "quiet", None, VoiceOptions())
    both = [VoiceData([folder]).sound(0) for folder in (prepared, tmp_path / "quiet")]
    levels = [np.percentile(levels_dbfs(sound, RATE), 95) for sound in both]
    assert levels[0] == pytest.approx(levels[1], abs=1.5)
    facts = read_voice_facts(tmp_path / "quiet")
    assert facts.level_dbfs < read_voice_facts(prepared).level_dbfs - 15


def test_the_same_recordings_give_the_same_data(recordings: list[Path], tmp_path: Path) -> None:
    digests = {prepare_voice(recordings[:1], tmp_path / name, "anna", VoiceOptions()).digest for name in ("one", "two")}
    assert len(digests) == 1


def test_96_khz_stereo_and_korean_names_are_the_same_voice(
    prepared: Path, speech: list[NDArray[np.float32]], tmp_path: Path
) -> None:
    folder = tmp_path / "내 목소리 (take 2)"
    folder.mkdir()
    sound = soxr.resample(speech[0], RATE, 96000)
    path = _written(folder / "첫 번째.wav", np.stack([0.4 * sound, sound], 1), 96000)
    here = prepare_voice([path], folder / "자료", None, VoiceOptions())
    assert here.name == "자료"
    assert "자료" in report(here)
    plain, data = VoiceData([prepared]).features(0), VoiceData([folder / "자료"])
    same = data.features(0)
    assert len(same.lf0) == pytest.approx(len(plain.lf0), abs=6)
    distance = 1200 / np.log(2) * abs(np.median(same.lf0[same.voiced]) - np.median(plain.lf0[plain.voiced]))
    assert distance < 20


def test_24_khz_has_frames_of_5_ms_too(speech: list[NDArray[np.float32]], tmp_path: Path) -> None:
    path = _written(tmp_path / "a.wav", soxr.resample(speech[0], RATE, 24000), 24000)
    prepare_voice([path], tmp_path / "out", None, VoiceOptions(sample_rate=24000))
    data = VoiceData([tmp_path / "out"])
    assert abs(len(data.features(0).lf0) - len(data.sound(0)) / 120) <= 1


def test_a_movie_is_a_recording_too(footage: Path, tmp_path: Path) -> None:
    facts = prepare_voice([footage / "talkerK_woman_with_speech_6s.mp4"], tmp_path / "k", None, VoiceOptions())
    assert facts.seconds["train"] > 2
    assert "warning: this is little" in report(facts)


def test_of_much_speech_an_even_share_is_kept(recordings: list[Path], tmp_path: Path) -> None:
    facts = prepare_voice(recordings, tmp_path / "out", None, VoiceOptions(minutes=0.1))
    assert 4 < sum(facts.seconds.values()) <= 9
    used = [source.sentences > 0 for source in facts.sources]
    assert any(used[:2])
    assert any(used[-3:])
    assert "more than was asked for" in report(facts)


def test_what_is_kept_of_much_speech_is_as_long_as_the_rest() -> None:
    rng = np.random.default_rng(0)
    found = [Sentence(0, 0.0, np.zeros(n, np.float32), -20.0) for n in rng.integers(RATE // 2, 10 * RATE, 800)]
    kept = _thinned(found, VoiceOptions(minutes=3), [])
    lengths_s, all_s = ([len(s.sound) / RATE for s in part] for part in (kept, found))
    assert sum(lengths_s) == pytest.approx(180, abs=12)
    assert np.mean(lengths_s) == pytest.approx(np.mean(all_s), rel=0.35)


def test_long_speech_is_cut_where_it_is_quiet(speech: list[NDArray[np.float32]], tmp_path: Path) -> None:
    whole = np.concatenate([*speech, *speech])
    ticks = whole[: len(whole) // 160 * 160].reshape(-1, 160)
    levels = levels_dbfs(whole, RATE)
    breathless = ticks[levels > np.percentile(levels, 95) - 30].ravel()
    pieces = sentences(decode(_written(tmp_path / "a.wav", breathless), RATE))
    lengths_s = np.array([piece.stop - piece.start for piece in pieces]) / RATE
    assert 4 < lengths_s.max() < 12.2
    assert lengths_s.sum() > 0.95 * len(breathless) / RATE


def test_clipped_and_noisy_sentences_are_left_out(speech: list[NDArray[np.float32]], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    good, other, third = speech[0], speech[1], speech[2]
    power = np.sqrt(np.mean(other**2))
    paths = [
        _written(tmp_path / "good.wav", good),
        _written(tmp_path / "clipped.wav", np.clip(third / np.abs(third).max() * 6, -1, 1)),
        _written(tmp_path / "noisy.wav", other + rng.normal(0, power / 2, len(other))),
    ]
    facts = prepare_voice(paths, tmp_path / "out", None, VoiceOptions())
    assert [source.sentences > 0 for source in facts.sources] == [True, False, False]
    reasons = {file: reason for file, _, seconds, reason in facts.left_out if seconds > 0.6}
    assert reasons["clipped.wav"] == "clipped"
    assert "noise" in reasons["noisy.wav"]
    assert "clipped.wav at 0" in (tmp_path / "out" / "report.txt").read_text()


def test_denoising_lowers_the_noise_and_moves_nothing(speech: list[NDArray[np.float32]]) -> None:
    rng = np.random.default_rng(0)
    sound = np.concatenate([np.zeros(RATE, np.float32), *speech[:2]])
    noisy = (sound + rng.normal(0, 0.005, len(sound))).astype(np.float32)
    clean = denoised(noisy, RATE)
    assert len(clean) == len(noisy)
    pause = slice(RATE // 2, RATE)
    assert np.std(clean[pause]) < 0.5 * np.std(noisy[pause])
    best = np.argmax(np.correlate(clean[RATE : 2 * RATE], sound[RATE + 400 : 2 * RATE - 400], "valid"))
    assert abs(int(best) - 400) <= 2


def _music(rests: bool) -> NDArray[np.float32]:
    rng = np.random.default_rng(0)
    time_s = np.arange(int(0.3 * RATE)) / RATE
    notes = []
    for semitones in rng.integers(0, 15, 14):
        hz = 220 * 2 ** (semitones / 12)
        note = sum(np.sin(2 * np.pi * hz * k * time_s) / k for k in range(1, 8)) * np.minimum(time_s * 200, 1)
        notes += [0.1 * note, np.zeros(int(0.1 * RATE))] if rests else [0.1 * note]
    return np.concatenate(notes).astype(np.float32)


@pytest.mark.parametrize(
    ("sound", "reason"),
    [
        (np.zeros(4 * RATE), "nobody speaks"),
        (np.random.default_rng(0).normal(0, 0.05, 4 * RATE), "noise or music"),
        (_music(rests=False), "noise or music"),
        (_music(rests=True), "music"),
        (np.full(4 * RATE, np.nan), "nobody speaks"),
        (np.zeros(0), "holds no sound"),
    ],
    ids=["silence", "hiss", "notes", "notes and rests", "not a number", "empty"],
)
def test_what_is_not_speech_is_refused_with_the_reason(sound: NDArray[np.float64], reason: str, tmp_path: Path) -> None:
    path = tmp_path / "take.wav"
    soundfile.write(path, sound, RATE, subtype="FLOAT")
    assert reason in _refused([path], tmp_path / "out")


def test_what_is_no_recording_is_refused(
    speech: list[NDArray[np.float32]], recordings: list[Path], tmp_path: Path, footage: Path
) -> None:
    text = tmp_path / "notes.wav"
    text.write_text("not a sound")
    assert "not a recording" in _refused([text], tmp_path / "out")
    # One bad file among good ones: nothing is left half done.
    assert "no such file" in _refused([recordings[0], tmp_path / "absent.wav"], tmp_path / "out")
    assert "has no sound" in _refused([footage / "talkerA_webcam_53s.mp4"], tmp_path / "out")
    telephone = _written(tmp_path / "telephone.wav", soxr.resample(speech[0], RATE, 8000), 8000)
    assert "record at 16000 Hz" in _refused([telephone], tmp_path / "out")
    assert "2 are needed" in _refused([_written(tmp_path / "word.wav", speech[0][: RATE * 3 // 2])], tmp_path / "out")


def test_a_damaged_recording_is_used_as_far_as_it_goes(speech: list[NDArray[np.float32]], tmp_path: Path) -> None:
    path = tmp_path / "long.m4a"
    _aac(path, np.concatenate(speech))
    broken = bytearray(path.read_bytes())
    middle = len(broken) // 2
    broken[middle : middle + 1500] = bytes(1500)
    path.write_bytes(bytes(broken))
    assert 8 < len(decode(path, RATE).sound) / RATE <= sum(map(len, speech)) / RATE + 0.2


def test_an_existing_folder_is_left_alone(prepared: Path, recordings: list[Path]) -> None:
    before = json.loads((prepared / "dataset.json").read_text())
    with pytest.raises(DataError, match="is there already"):
        prepare_voice(recordings, prepared, None, VoiceOptions())
    assert json.loads((prepared / "dataset.json").read_text()) == before


def test_speakers_that_do_not_go_together(prepared: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="two of the speakers are called anna"):
        VoiceData([prepared, prepared])
    other = tmp_path / "ben"
    other.mkdir()
    facts = read_voice_facts(prepared).as_dict() | {"name": "ben", "sample_rate": 24000}
    (other / "dataset.json").write_text(json.dumps(facts))
    with pytest.raises(DataError, match="different rates"):
        VoiceData([prepared, other])
    (other / "dataset.json").write_text(json.dumps({"kind": "face"}))
    with pytest.raises(DataError, match="not a prepared voice"):
        VoiceData([other])
    with pytest.raises(DataError, match="guise prepare voice"):
        VoiceData([tmp_path / "absent"])


def test_the_verb_refuses_in_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for arguments, says in (
        (["absent.wav"], "no such file"),
        (["absent.wav", "--rate", "44100"], "16000 or 24000"),
    ):
        assert guise.main(["prepare", "voice", *arguments, "--out", str(tmp_path / "out")]) == 2
        error = capfd.readouterr().err
        assert says in error
        assert error.count("\n") == 1


def _refused(paths: list[Path], out: Path) -> str:
    with pytest.raises(DataError) as refused:
        prepare_voice(paths, out, None, VoiceOptions())
    assert not out.exists()
    assert not out.with_name(out.name + ".part").exists()
    assert "\n" not in str(refused.value)
    return str(refused.value)


def _written(path: Path, sound: NDArray[np.floating], rate: int = RATE) -> Path:
    soundfile.write(path, sound, rate)
    return path


def _aac(path: Path, sound: NDArray[np.float32]) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=RATE, layout="mono")
        for start in range(0, len(sound), 1024):
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound[None, start : start + 1024]), "fltp", "mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
