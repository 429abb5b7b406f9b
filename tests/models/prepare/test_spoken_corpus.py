"""Speech with known phonemes: espeak-ng's labels, TIMIT-style labels, rooms, vocal tracts, and what is refused."""

from __future__ import annotations

import ctypes
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from models.cli import prepare
from models.datasets.phoneme_crops import PhonemeCrops, normalised, vocal_tract_warp
from models.features.speech import decode_envelope, encode_envelope
from models.prepare import espeak, spoken_corpus
from models.prepare.augmentation import augmented, in_room
from models.prepare.data_error import DataError
from models.prepare.espeak import ACCENTS, VARIANTS, Espeak, Manner
from models.prepare.phoneme_facts import PreparedPhonemeFacts
from models.prepare.phonemes import ESPEAK, LENGTHENS, PHONEMES, SILENCE, TIMIT, UNLABELLED, number_of
from models.prepare.spoken_corpus import prepare_phonemes, read_labelled, report
from models.prepare.word_list import WORDS, drawn_sentence
from models.voices.speaker_stats import LOUDEST_AT, PRIOR_16K_MEAN, PRIOR_16K_STD
from tests.models.phoneme_folders import espeak_or_skip

RATE = 16000


@pytest.fixture(scope="module")
def speaker() -> Espeak:
    return espeak_or_skip()


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory, speaker: Espeak) -> Path:
    out = tmp_path_factory.mktemp("spoken") / "phonemes"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spoken_corpus, "RECORDING_S", 4.0)
        prepare_phonemes(out, 0.2, None)
    return out


def test_espeaks_labels_match_its_sound(spoken: Path) -> None:
    facts = PreparedPhonemeFacts.model_validate_json((spoken / "dataset.json").read_text())
    assert facts.recordings == {"train": 2, "held_out": 1}
    assert facts.origin.startswith("espeak-ng ")
    assert "min of speech by 3 voices" in report(facts)
    quiet, vowels, hissing = [], [], []
    for path in spoken.glob("*/*.npz"):
        with np.load(path) as stored:
            mcep, phoneme = stored["mcep"].astype(float), stored["phoneme"]
        assert mcep.shape == (len(phoneme), 36)
        assert set(np.unique(phoneme)) <= {*range(len(PHONEMES)), UNLABELLED}
        quiet.append(mcep[phoneme == SILENCE, 0])
        vowels.append(mcep[np.isin(phoneme, [number_of(name) for name in ("aa", "ae", "ey", "ow")])])
        hissing.append(mcep[np.isin(phoneme, [number_of(name) for name in ("s", "sh", "ch")])])
    vowel, hiss = np.concatenate(vowels), np.concatenate(hissing)
    assert np.median(vowel[:, 0]) > np.median(np.concatenate(quiet)) + 1.5
    # Cepstrum 1 falls from low frequencies to high ones.
    assert np.median(vowel[:, 1]) > np.median(hiss[:, 1]) + 1


def test_the_same_seed_draws_the_same_words_and_voices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, speaker: Espeak
) -> None:
    monkeypatch.setattr(spoken_corpus, "RECORDING_S", 2.0)
    drawn: list[tuple[str, Manner]] = []
    say = Espeak.say

    def noted(self: Espeak, text: str, manner: Manner) -> espeak.Utterance:
        drawn.append((text, manner))
        return say(self, text, manner)

    monkeypatch.setattr(Espeak, "say", noted)
    each = []
    for number, seed in enumerate((1, 1, 2)):
        drawn.clear()
        prepare_phonemes(tmp_path / str(number), 0.01, None, seed=seed)
        each.append(list(drawn))
    assert each[0] == each[1] != each[2]


def test_every_accent_and_every_word_is_labelled(speaker: Espeak) -> None:
    unknown: set[str] = set()
    for accent in set(ACCENTS):
        names = {
            name
            for begin in range(0, len(WORDS), 300)
            for _, name in speaker.say(
                " ".join(WORDS[begin : begin + 300 : 2]), Manner(accent, "m1", 450, 50, 50)
            ).begins
        }
        unknown |= names - set(ESPEAK) - {LENGTHENS}
        assert {ESPEAK[name] for name in names & set(ESPEAK)} >= set(PHONEMES) - {"dx"}
    # What differs from accent to accent, and the glottal stop.
    assert unknown <= {"aa", "?", "i@3", "w-"}


def test_voices_differ_in_pitch_and_throat(speaker: Espeak) -> None:
    low, high = (speaker.say("one two", Manner("en-us", voice, 175, 50, 50)).sound for voice in ("m1", "f2"))
    assert len(VARIANTS) == len(set(VARIANTS))
    assert len(low) != len(high) or not np.array_equal(low, high)
    assert 0.05 < np.abs(low).max() <= 1


def test_a_missing_espeak_is_reported_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", gone)
    answer = CliRunner().invoke(prepare, ["phonemes", "--out", str(tmp_path / "out")])
    assert answer.exit_code == 2
    assert answer.stderr.count("\n") == 1
    assert "apt install espeak-ng" in answer.stderr
    assert not list(tmp_path.iterdir())


def test_a_voice_that_espeak_lacks(speaker: Espeak) -> None:
    with pytest.raises(DataError, match="has no voice xx-klingon"):
        speaker.say("hello", Manner("xx-klingon", "m1", 175, 50, 50))


def test_sentences_are_drawn() -> None:
    drawn = [drawn_sentence(np.random.default_rng(seed)) for seed in range(50)]
    assert len(set(drawn)) == 50
    assert all(4 <= len(sentence.split()) <= 12 for sentence in drawn)
    assert any("," in sentence for sentence in drawn)


def _timit(folder: Path, rows: str, name: str = "SA1", rate: int = RATE, seconds: float = 1.0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    sound = 0.1 * np.random.default_rng(0).standard_normal(round(seconds * rate))
    soundfile.write(folder / f"{name}.WAV", sound, rate, format="WAV", subtype="PCM_16")
    (folder / f"{name}.PHN").write_text(rows)
    return folder / f"{name}.PHN"


def test_a_corpus_with_timits_labels(tmp_path: Path) -> None:
    for speaker_name in ("DR1/FAAA0", "DR1/MBBB0", "DR2/MCCC0"):
        for name in ("SA1", "SX2"):
            _timit(tmp_path / "timit" / speaker_name, "0 4000 h#\n4000 4800 tcl\n4800 5600 t\n5600 12000 ix\n", name)
    out = tmp_path / "out"
    answer = CliRunner().invoke(prepare, ["phonemes", "--corpus", str(tmp_path / "timit"), "--out", str(out)])
    assert answer.exit_code == 0, answer.stderr
    assert "by 3 voices, from the corpus timit" in answer.stdout
    assert "never heard: aa, ae" in answer.stdout
    files = sorted(out.glob("*/*.npz"))
    assert [path.parent.name for path in files].count("held_out") == 1
    with np.load(files[0]) as stored:
        phoneme = stored["phoneme"]
    first = [*[SILENCE] * 50, *[number_of("t")] * 20, *[number_of("ih")] * 80, *[UNLABELLED] * 50]
    # One after the other: the second sentence begins where the first ends.
    assert phoneme.tolist()[:400] == first * 2


def test_labels_count_the_samples_of_their_own_recording(tmp_path: Path) -> None:
    path = _timit(tmp_path, "0 8000 sil\n8000 24000 aa\n", rate=32000)
    sound, begins = read_labelled(path)
    assert len(sound) == RATE
    assert begins == [(0, SILENCE), (4000, number_of("aa")), (12000, UNLABELLED)]


def test_all_of_timits_phones_are_known() -> None:
    phones = """
    iy ih eh ey ae aa aw ay ah ao oy ow uh uw ux er ax ix axr ax-h b d g p t k dx jh ch s sh z zh f th v dh m n ng
    em en eng nx l r w y hh hv el bcl dcl gcl pcl tcl kcl pau epi h#
    """
    assert set(phones.split()) <= set(TIMIT)
    assert set(TIMIT.values()) == set(PHONEMES)


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ("0 4000 h#\n4000 5000 qq\n", "SA1.PHN line 2: 'qq' is none of TIMIT's phones"),
        ("0 4000\n", "line 1: '0 4000' is not begin and end"),
        ("0.0 0.25 h#\n", "is not begin and end in samples"),
        ("0 4000 h#\n3000 5000 aa\n", "line 2: samples 3000 to 5000 do not follow"),
        ("0 4000 h#\n90000 95000 aa\n", "line 2: samples 90000"),
    ],
)
def test_wrong_labels_are_refused_in_one_line(tmp_path: Path, rows: str, why: str) -> None:
    _timit(tmp_path / "corpus", rows)
    answer = CliRunner().invoke(
        prepare, ["phonemes", "--corpus", str(tmp_path / "corpus"), "--out", str(tmp_path / "out")]
    )
    assert answer.exit_code == 2
    assert answer.stderr.count("\n") == 1
    assert why in answer.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_what_is_no_corpus_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no folder"):
        prepare_phonemes(tmp_path / "out", 1, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"has no labels: beside each NAME.wav there must be NAME.PHN"):
        prepare_phonemes(tmp_path / "out", 1, tmp_path / "empty")
    (tmp_path / "mute").mkdir()
    (tmp_path / "mute" / "a.phn").write_text("0 100 h#\n")
    with pytest.raises(DataError, match=r"a.wav is missing"):
        prepare_phonemes(tmp_path / "out", 1, tmp_path / "mute")
    (tmp_path / "mute" / "a.wav").write_text("no sound")
    with pytest.raises(DataError, match=r"a.phn or its recording cannot be read"):
        prepare_phonemes(tmp_path / "out", 1, tmp_path / "mute")
    with pytest.raises(DataError, match="is there already"):
        prepare_phonemes(tmp_path / "mute", 1, tmp_path / "mute")


def test_rough_sound_stays_where_it_was() -> None:
    rng = np.random.default_rng(3)
    clean = (0.1 * rng.standard_normal(RATE) * (np.arange(RATE) % 4000 < 2000)).astype(np.float32)
    again = [augmented(clean, RATE, np.random.default_rng(5)) for _ in range(2)]
    assert np.array_equal(*again)
    for seed in range(8):
        noisy = augmented(clean, RATE, np.random.default_rng(seed))
        assert noisy.shape == clean.shape
        similarity = np.fft.irfft(np.fft.rfft(noisy) * np.conj(np.fft.rfft(clean)))
        assert int(np.argmax(similarity)) == 0
        assert np.abs(noisy - clean).max() > 1e-4


def test_a_room_goes_on_sounding() -> None:
    click = np.zeros(RATE)
    click[100] = 1
    reverberant = in_room(click, RATE, np.random.default_rng(1))
    assert np.abs(reverberant[:100]).max() < 1e-9
    assert reverberant[100] == pytest.approx(1)
    assert np.abs(reverberant[400:1600]).mean() > 1e-4


def test_a_longer_throat_moves_formants() -> None:
    hz = np.linspace(0, 8000, 513)
    peak = encode_envelope(np.exp(3 * np.exp(-(((hz - 1500) / 300) ** 2)))[None], RATE)
    for longer in (0.9, 1.1):
        moved = decode_envelope(peak @ vocal_tract_warp(longer), RATE)[0]
        assert hz[np.argmax(moved)] == pytest.approx(1500 * longer, rel=0.04)
    np.testing.assert_allclose(vocal_tract_warp(1.0), np.eye(36), atol=0.05)


def test_crops_are_normalised_as_on_stage(spoken: Path) -> None:
    rng = np.random.default_rng(0)
    mean, std = np.array(PRIOR_16K_MEAN) + 0.5, 2 * np.array(PRIOR_16K_STD)
    mcep = mean + std * rng.standard_normal((4000, 36))
    values = normalised(mcep, mcep)
    loud = values[:, 0] > 0
    assert abs(values[loud, 1:].mean()) < 0.03
    assert values[loud, 1:].std() == pytest.approx(1, abs=0.05)
    assert np.percentile(values[:, 0], 95) == pytest.approx(LOUDEST_AT, abs=0.01)
    # A speaker who has just begun is normalised by the prior.
    assert normalised(mcep[:4], mcep[:4])[:, 1:].std() > 1.5

    data = PhonemeCrops([spoken], 128)
    one, again, other = data[0], data[0], data[len(data)]
    assert one["mcep"].shape == one["unseen_mcep"].shape == (36, 128)
    assert one["phoneme"].shape == (128,)
    assert all(bool((one[name] == again[name]).all()) for name in one)
    assert not bool((one["mcep"] == other["mcep"]).all())


def test_what_holds_no_phonemes_is_refused(tmp_path: Path, spoken: Path) -> None:
    with pytest.raises(DataError, match="guise prepare phonemes"):
        PhonemeCrops([tmp_path], 128)
    (tmp_path / "dataset.json").write_text('{"kind": "voice"}')
    with pytest.raises(DataError, match="holds no phonemes"):
        PhonemeCrops([tmp_path], 128)
    with pytest.raises(DataError, match="has no recording of"):
        PhonemeCrops([spoken], 4000)
    facts = json.loads((spoken / "dataset.json").read_text()) | {"phonemes": ["a", "b"]}
    (tmp_path / "dataset.json").write_text(json.dumps(facts))
    with pytest.raises(DataError, match="other phonemes"):
        PhonemeCrops([tmp_path], 128)


def test_espeak_without_its_voices(monkeypatch: pytest.MonkeyPatch) -> None:
    class Empty:
        def espeak_Initialize(self, *_: object) -> int:
            return -1

    monkeypatch.setattr(espeak, "_library", Empty)
    with pytest.raises(DataError, match="finds no voices"):
        Espeak()
