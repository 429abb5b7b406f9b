"""A show is read whole, or refused with its line and what was expected."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from live.show.show_file import BadShow, read_show

WHOLE = """\
# a show  [with "odd" marks
[show]
name = "One minute"
safe_picture = "safe.png"
lost_face = { hold_s = 2, fade_s = 0.25 }
sound_miss = "silence"
sync = false
loop = true

[[cue]]
name = "porcelain"
look = "looks/porcelain.onnx"
voice = "silence"
transition_s = 0.5
set = { "sound/pitch" = -3 }
follow_s = 8

[[cue]]
name = "nobody"
look = "safe"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "show" / "looks").mkdir(parents=True)
    (tmp_path / "show" / "looks" / "porcelain.onnx").write_bytes(b"model")
    (tmp_path / "show" / "safe.png").write_bytes(b"picture")
    (tmp_path / "outside.onnx").write_bytes(b"model")
    return tmp_path / "show"


def written(folder: Path, text: str) -> Path:
    path = folder / "show.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_complete_show(folder: Path) -> None:
    show = read_show(written(folder, WHOLE))
    assert (show.name, show.sound_miss, show.sync, show.loop) == ("One minute", "silence", False, True)
    assert (show.lost_face.hold_s, show.lost_face.fade_s) == (2.0, 0.25)
    assert show.safe_picture == (folder / "safe.png").resolve()
    first, second = show.cues
    assert first.look == (folder / "looks" / "porcelain.onnx").resolve()
    assert (first.voice, first.transition_s, first.follow_s) == ("silence", 0.5, 8.0)
    assert first.set == {"sound/pitch": -3.0}
    assert (second.look, second.voice, second.follow_s) == ("safe", "bypass", None)


def test_a_show_without_a_name_is_named_after_its_file(folder: Path) -> None:
    show = read_show(written(folder, '[[cue]]\nname = "a"\nlook = "bypass"\n'))
    assert show.name == "show"
    assert show.cues[0].transition_s == 0.0


def test_an_absolute_path_may_be_anywhere(folder: Path) -> None:
    outside = (folder.parent / "outside.onnx").resolve()
    show = read_show(written(folder, f"[[cue]]\nname = 'a'\nlook = '{outside}'\n"))
    assert show.cues[0].look == outside


@pytest.mark.parametrize(
    ("old", "new", "line", "expected"),
    [
        ("sync = false", "snyc = false", 7, 'did you mean "sync"'),
        ("sync = false", "colour = 1", 7, "expected one of name"),
        ("sync = false", "sync = 1", 7, "expected true or false"),
        ("transition_s = 0.5", "transition_s = true", 14, "transition_s is true; expected seconds"),
        ("transition_s = 0.5", 'transition_s = "0.5"', 14, "expected seconds"),
        ("transition_s = 0.5", "transition_s = -1", 14, "transition_s is -1; expected 0 to"),
        ("transition_s = 0.5", "transition_s = nan", 14, "expected seconds"),
        ("transition_s = 0.5", "transition_s = inf", 14, "expected seconds"),
        ("follow_s = 8", "follow_s = 1e9", 16, "expected 0 to"),
        ("hold_s = 2", "hold = 2", 5, 'did you mean "hold_s"'),
        ("fade_s = 0.25", "fade_s = -0.25", 5, "fade_s is -0.25"),
        ("{ hold_s = 2, fade_s = 0.25 }", "3", 5, "expected a table"),
        ('"silence"\nsync', '"wet"\nsync', 6, 'expected "dry" or "silence"'),
        ('"sound/pitch" = -3', '"pitch" = -3', 15, 'no parameter "pitch"'),
        ('"sound/pitch" = -3', '"sound/pitch" = false', 15, "expected a number"),
        ("looks/porcelain.onnx", "looks/porcelian.onnx", 12, 'did you mean "porcelain.onnx"'),
        ("looks/porcelain.onnx", "../outside.onnx", 12, "leaves the show's folder"),
        ("looks/porcelain.onnx", "looks", 12, 'no look "looks"'),
        ("looks/porcelain.onnx", "bypas", 12, 'did you mean "bypass"'),
        ("looks/porcelain.onnx", "", 12, "look is empty"),
        ("looks/porcelain.onnx", "a\\u0000.onnx", 12, "zero character"),
        ('voice = "silence"', 'voice = "octave-dawn"', 13, 'no voice "octave-dawn"'),
        ("safe.png", "sofa.png", 4, 'did you mean "safe.png"'),
        ("safe.png", "safe.txt", 4, "picture"),
        ('name = "nobody"', 'name = "porcelain"', 19, "already on line 11"),
        ('name = "nobody"', "name = 3", 19, "name is the number 3; expected text"),
        ('name = "nobody"', "", 18, 'the cue has no "name"'),
        ('look = "safe"', "", 18, 'the cue has no "look"'),
        ('look = "safe"', 'look = "safe"\nextra = 1', 21, 'unknown key "extra"'),
        ("[show]", "[shaw]", 2, 'did you mean "show"'),
    ],
)
def test_an_error_is_refused_with_its_line(folder: Path, old: str, new: str, line: int, expected: str) -> None:
    assert WHOLE.count(old) >= 1
    path = written(folder, WHOLE.replace(old, new, 1))
    with pytest.raises(BadShow) as refused:
        read_show(path)
    message = str(refused.value)
    assert f"show.toml, line {line}: " in message
    assert expected in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ("", None, "no cue"),
        ("cue = 1", 1, "expected entries headed [[cue]]"),
        ("cue = []", 1, "no cue"),
        ("cue = [1]", 1, "expected a table"),
        ("[cue]\nname = 'a'", 1, "expected entries headed [[cue]]"),
        ("show = 1", 1, "show is the number 1"),
        ("[[cue]]\nname = 'a'\nlook = 1979-05-27", 3, "a date or time"),
        ("[[cue]]\nname = 'a'\nlook = 'safe'\n[cue.set]\n'sound/x' = []", 5, "a list"),
    ],
)
def test_a_document_that_is_no_show_is_refused(folder: Path, text: str, line: int | None, expected: str) -> None:
    with pytest.raises(BadShow) as refused:
        read_show(written(folder, text))
    assert expected in str(refused.value)
    assert ("line" in str(refused.value)) == (line is not None)
    assert line is None or f"line {line}:" in str(refused.value)


def test_a_file_that_cannot_be_read_is_refused(folder: Path, tmp_path: Path) -> None:
    path = folder / "show.toml"
    path.write_bytes(b"[show]\nname = '\xff'\n")
    with pytest.raises(BadShow, match="line 2: not UTF-8"):
        read_show(path)
    path.write_bytes(b"#" * 1_000_001)
    with pytest.raises(BadShow, match="larger than 1 MB"):
        read_show(path)
    path.write_text("[[cue]\n")
    with pytest.raises(BadShow, match=r"not TOML: .*line 1"):
        read_show(path)
    with pytest.raises(BadShow, match="there is no such file"):
        read_show(tmp_path / "nothing.toml")
    with pytest.raises(BadShow, match="folder"):
        read_show(folder)


def test_a_byte_order_mark_and_windows_lines_are_no_error(folder: Path) -> None:
    path = folder / "show.toml"
    path.write_bytes(b"\xef\xbb\xbf" + WHOLE.replace("\n", "\r\n").encode())
    assert len(read_show(path).cues) == 2


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("fuzz", numbered=True) / "show.toml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    with pytest.raises(BadShow):
        read_show(path)
