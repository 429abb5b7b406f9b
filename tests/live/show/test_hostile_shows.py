"""Shows that would take long to read, hold Python's lock, or draw what they should not: one line, at once."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from live.show.profile import BadProfile, read_profile
from live.show.show_file import MAX_CUES, BadShow, read_show

CUE = "[[cue]]\nname = 'a'\nlook = 'safe'\n"
REFUSED = {
    "lists within lists": ("x = " + "[" * 3000 + "]" * 3000, "too often"),
    "tables within tables": ("x = " + "{a=" * 2000 + "1" + "}" * 2000, "too often"),
    "a number of 400 digits": (CUE + f"transition_s = {'9' * 400}\n", "beyond all use"),
    "a number of 5000 digits": (CUE + f"transition_s = {'9' * 5000}\n", "not TOML"),
    "a number beyond all floats": (CUE + "transition_s = 1e400\n", "seconds"),
    "a line of 10,001 characters": (CUE + "# " + "x" * 10_000, "longer than 10000 characters"),
    "a key of 2000 parts": (".".join("a" * 2000) + " = 1", "a key of 50 parts"),
    "a key of 1000 parts in quotes": (" . ".join(['"a"'] * 1000) + " = 1", "a key of 50 parts"),
    "a table of 2000 parts": (f"[{'.'.join('a' * 2000)}]", "a key of 50 parts"),
    "a thousand and one cues": ("".join(f"[[cue]]\nname='{i}'\nlook='safe'\n" for i in range(MAX_CUES + 1)), "at most"),
    "a key of 9000 characters": (CUE + f"{'k' * 9000} = 1\n", "unknown key"),
    "an escape sequence in a name": (CUE.replace("'a'", '"\\u001b[31m"'), "control character"),
    "two lines in a name": (CUE.replace("'a'", '"a\\nb"'), "control character"),
    "a name that turns the text": (CUE.replace("'a'", '"a\\u202Eb"'), "control character"),
    "a name of 201 characters": (CUE.replace("'a'", f"'{'n' * 201}'"), "200 at most"),
    "an escape sequence in a key": (CUE + '"\\u001b[31m" = 1\n', "unknown key"),
    "an escape sequence in a look": (CUE.replace("'safe'", '"\\u001b]0;owned\\u0007"'), "no look"),
    "a wait beyond all sense": (CUE + "set = { 'sound/wait_s' = 1e306 }\n", "the sync of lips and voice does"),
    "the sync's delay": (CUE + "set = { 'picture/latency_s' = 0.1 }\n", "not a cue's to set"),
    "a pitch beyond its range": (CUE + "set = { 'sound/pitch' = 1e306 }\n", "expected -24 to 24 semitones"),
    "cues that nobody could see": (CUE + "follow_s = 0.001\n", "expected 0.1 s or more"),
    "a gain beyond its range": (CUE + "set = { 'sound/gain' = 200 }\n", "expected -120 to 24 dB"),
}
ALLOWED = {
    "lines of blanks": "\n".join([" " * 9_999] * 20) + "\n" + CUE,
    "a comment with blanks": "# a comment" + " " * 9_000 + "\n" + CUE,
    "blanks before an equals sign": CUE + "transition_s" + " " * 9_000 + "= 1\n",
    "many short lines": "# x\n" * 100_000 + CUE,
    "a comment of dots": "# " + "." * 500 + "\n" + CUE,
    "a name of one family of emoji": CUE.replace("'a'", "'\U0001f468\u200d\U0001f469\u200d\U0001f467'"),
}
MAX_HELD_S = 0.5
"""Far above what other processes of a busy machine take, far below the seconds that a bad text took."""


def longest_standstill_s(folder: Path, text: str, refusal: str | None) -> float:
    """Reads the show in another thread; the longest that this one got no turn meanwhile."""
    path = folder / "show.toml"
    path.write_text(text, encoding="utf-8")
    outcome: list[str] = []

    def read() -> None:
        try:
            outcome.append(f"read: {read_show(path).cues[0].look}")
        except BadShow as error:
            outcome.append(str(error))

    reader = threading.Thread(target=read)
    longest_s = 0.0
    reader.start()
    began = time.perf_counter()
    while reader.is_alive():
        time.sleep(0.001)
        longest_s = max(longest_s, time.perf_counter() - began)
        began = time.perf_counter()
    (said,) = outcome
    assert "\n" not in said
    assert all(character.isprintable() for character in said)
    assert len(said) < 1000
    assert (refusal or "read: safe") in said
    return longest_s


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_show_needs_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    text, refusal = REFUSED[name]
    assert longest_standstill_s(tmp_path, text, refusal) < MAX_HELD_S


@pytest.mark.parametrize("name", ALLOWED)
def test_an_odd_text_is_read_without_holding_the_lock(tmp_path: Path, name: str) -> None:
    assert longest_standstill_s(tmp_path, ALLOWED[name], None) < MAX_HELD_S


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "show.toml")
    with pytest.raises(BadShow, match="a pipe or a device"):
        read_show(tmp_path / "show.toml")
    with pytest.raises(BadShow, match="a pipe or a device"):
        read_show("/dev/zero")


def test_a_path_that_no_file_can_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadShow, match="no file can have that name"):
        read_show(f"{tmp_path}/a\0.toml")
    (tmp_path / "round.onnx").symlink_to(tmp_path / "round.onnx")
    (tmp_path / "show.toml").write_text("[[cue]]\nname='a'\nlook='round.onnx'\n")
    with pytest.raises(BadShow, match="a folder, a pipe or a broken link"):
        read_show(tmp_path / "show.toml")


@pytest.mark.parametrize("text", ["neutral = " + "[" * 3000 + "]" * 3000, f"faces = {'9' * 5000}"])
def test_a_profile_is_bounded_too(tmp_path: Path, text: str) -> None:
    (tmp_path / "anna.toml").write_text(f"[performer]\n{text}\n")
    with pytest.raises(BadProfile, match="not TOML"):
        read_profile(tmp_path / "anna.toml")


def test_a_profile_of_numbers_beyond_all_use_is_refused(tmp_path: Path) -> None:
    points = ", ".join(f"[{'9' * 400}, 0]" for _ in range(68))
    (tmp_path / "anna.toml").write_text(f"[performer]\nneutral = [{points}]\n[performer.openings]\n"[:99_000])
    with pytest.raises(BadProfile):
        read_profile(tmp_path / "anna.toml")
