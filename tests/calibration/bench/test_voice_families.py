"""Which voice of which run is used for which conversion, in the table of trained families."""

from __future__ import annotations

from pathlib import Path

import pytest

from calibration.bench import voice_families
from calibration.bench.benchmark import NotMeasured
from calibration.bench.voice_families import FAMILIES, FamilyVoice, train_families
from models.training.registry import FAMILIES as REGISTERED

SPEAKERS = {name: [Path(f"{name}.flac")] for name in ("anna", "ben", "carl")}


@pytest.fixture
def verbs(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The verbs that were run; nothing is done but creating their files."""
    calls: list[list[str]] = []

    def verb(*arguments: str) -> None:
        calls.append(list(arguments))
        out = Path(arguments[arguments.index("--out") + 1])
        if arguments[0] == "export":
            out.touch()
            return
        out.mkdir(parents=True, exist_ok=True)
        (out / ("dataset.json" if arguments[0] == "prepare" else "run.json")).touch()

    monkeypatch.setattr(voice_families, "run_verb", verb)
    return calls


def test_each_conversion_has_the_run_that_knows_both(verbs: list[list[str]], tmp_path: Path) -> None:
    found = dict(train_families(tmp_path, 6.0, SPEAKERS))
    assert list(found) == list(FAMILIES)
    assert set(FAMILIES) <= set(REGISTERED)
    conversions = {(a, b) for a in range(3) for b in range(3) if a != b}
    assert all(set(voices) == conversions for voices in found.values())
    assert found["gmm_vc"][2, 0] == FamilyVoice(tmp_path / "gmm_vc_anna_ben_carl" / "anna.onnx", 3)
    # In a pair's run its speakers are the first and the second.
    assert found["cyclegan_vc"][2, 1] == FamilyVoice(tmp_path / "cyclegan_vc_ben_carl" / "ben.onnx", 2)
    assert found["cyclegan_vc"][1, 2] == FamilyVoice(tmp_path / "cyclegan_vc_ben_carl" / "carl.onnx", 1)
    # Who was learned alone knows nobody else.
    assert found["ppg_vc"][0, 2] == FamilyVoice(tmp_path / "ppg_vc_carl" / "carl.onnx", 0)
    minutes = {a[1]: float(a[a.index("--minutes") + 1]) for a in verbs if a[0] == "train"}
    assert (minutes["gmm_vc"], minutes["cyclegan_vc"]) == (6, 2)


def test_what_is_there_is_kept_and_what_was_begun_is_gone_on_with(verbs: list[list[str]], tmp_path: Path) -> None:
    dict(train_families(tmp_path, 1.0, SPEAKERS))
    (tmp_path / "gmm_vc_anna_ben_carl" / "trained").unlink()
    verbs.clear()
    dict(train_families(tmp_path, 1.0, SPEAKERS))
    assert [a[0] for a in verbs] == ["train"]
    assert "--resume" in verbs[0]


def test_a_verb_that_refuses_ends_it_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(NotMeasured, match="`guise prepare` ended with code 2"):
        dict(train_families(tmp_path, 1.0, {"anna": [tmp_path / "nothing.flac"], "ben": [tmp_path / "none.flac"]}))
