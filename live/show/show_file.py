"""Reads a show, a TOML file of cues, and checks all of it before it is performed.

May be called from any thread. Every refusal is one line: the file, the line, what is there and what was expected.
"""

from __future__ import annotations

import difflib
import itertools
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeGuard

from live.show.parameter_table import PARAMETERS, Lasts, ParameterEntry
from live.show.show_keys import CUE_KEYS, LOST_FACE_KEYS, SHOW_KEYS, ShowKey
from live.show.toml_file import BadTomlFile, read_toml_file
from live.show.toml_lines import Place, lines_of
from models.command_line import is_one_line, one_line

MAX_BYTES = 1_000_000
MAX_CUES = 1000
SHORTEST_FOLLOW_S = 0.1
MAX_NAME = 200
"""Characters of a name."""
LOOK_WORDS = ("bypass", "safe")
PRESET_NAMES = ("octave-down", "octave-up", "giant", "child", "whisper", "robot", "monotone", "chorus")
VOICE_PRESETS = ("bypass", "silence", *PRESET_NAMES, *(f"{name}-quick" for name in PRESET_NAMES))
"""Voices that need no file. "bypass" is the performer's own voice; the -quick presets have less latency."""
SOUND_MISSES = ("dry", "silence")
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")

_TABLES = (
    ShowKey("show", "a table", "{}", "what holds for the whole show"),
    ShowKey("cue", "tables headed [[cue]]", "", "what is performed, in order"),
)
_PARAMETER = re.compile(r"(picture|sound)(/[a-z0-9_]+)+")
_PARAMETERS = {entry.name: entry for entry in PARAMETERS}
_LONGEST_S = 86_400.0
_HALF_SENTENCE = 200
"""Characters of a refusal before and after what is left out: keys and texts may be long."""
_MAX_LISTED = 1000
"""Of a folder's files, when one that is missing may be misspelt."""


Table = Mapping[str, object]


class BadShow(Exception):
    """The show cannot be performed; the message is one line for the operator."""


@dataclass(frozen=True)
class LostFaceTimes:
    """When the face is lost the audience sees the last picture for `hold_s`, then a fade of `fade_s` to the safe
    picture."""

    hold_s: float = 1.0
    fade_s: float = 0.5


@dataclass(frozen=True)
class Cue:
    """A look, a voice and a transition.

    look, voice: the absolute path of a file that existed when the show was read, or a word of LOOK_WORDS or
        VOICE_PRESETS.
    set: parameters by their full names. follow_s: after this time the next cue follows automatically.
    frame: the look may show what the camera sees round the face.
    """

    name: str
    look: str | Path
    voice: str | Path = "bypass"
    transition_s: float = 0.0
    set: dict[str, float] = field(default_factory=dict)
    follow_s: float | None = None
    frame: bool = False


@dataclass(frozen=True)
class Show:
    """A checked show. It has at least one cue; the names of its cues differ."""

    name: str
    cues: tuple[Cue, ...]
    safe_picture: Path | None = None
    lost_face: LostFaceTimes = field(default_factory=LostFaceTimes)
    sound_miss: str = "dry"
    sync: bool = True
    loop: bool = False
    path: Path | None = None

    @property
    def voices(self) -> tuple[str, ...]:
        """The voices of its cues, each once."""
        return tuple(dict.fromkeys(str(cue.voice) for cue in self.cues))


def read_show(path: str | Path) -> Show:
    """Read and check a show file.

    Raises:
        BadShow: with a message of one line: the file, the line and what was expected.
    """
    file = Path(path)
    try:
        document, text = read_toml_file(file, "show", MAX_BYTES)
    except BadTomlFile as error:
        raise BadShow(str(error)) from None
    return _ShowChecker(file, lines_of(text)).show(document)


class _ShowChecker:
    """Checks one document. lines: the line number of each of its keys and tables."""

    def __init__(self, file: Path, lines: dict[Place, int]) -> None:
        self._file = file
        self._folder = file.resolve().parent
        self._lines = lines

    def error(self, place: Place, what: str) -> BadShow:
        """A refusal with the line of `place`, or of the table around it whose line is known."""
        while place and place not in self._lines:
            place = place[:-1]
        line = f", line {self._lines[place]}" if place else ""
        return BadShow(f"{self._file}{line}: {_shortened(one_line(what))}")

    def show(self, document: Table) -> Show:
        self._check_keys(document, _TABLES, ())
        head = self._table(document.get("show", {}), ("show",))
        self._check_keys(head, SHOW_KEYS, ("show",))
        lost = self._table(head.get("lost_face", {}), ("show", "lost_face"))
        self._check_keys(lost, LOST_FACE_KEYS, ("show", "lost_face"))
        return Show(
            name=self._name(head, ("show",), one_line(self._file.stem)[:MAX_NAME]),
            cues=self._cues(document),
            safe_picture=self._safe_picture(head),
            lost_face=LostFaceTimes(
                self._seconds(lost, "hold_s", ("show", "lost_face"), LostFaceTimes.hold_s),
                self._seconds(lost, "fade_s", ("show", "lost_face"), LostFaceTimes.fade_s),
            ),
            sound_miss=self._choice(head, "sound_miss", ("show",), SOUND_MISSES),
            sync=self._boolean(head, "sync", ("show",), True),
            loop=self._boolean(head, "loop", ("show",), False),
            path=self._file.resolve(),
        )

    def _cues(self, document: Table) -> tuple[Cue, ...]:
        found = document.get("cue", [])
        if not isinstance(found, list):
            raise self.error(("cue",), f"cue is {_describe(found)}; expected entries headed [[cue]]")
        if not found:
            raise self.error(("cue",), "no cue; expected at least one [[cue]] with a name and a look")
        if len(found) > MAX_CUES:
            raise self.error(("cue",), f"{len(found)} cues; expected {MAX_CUES} at most")
        cues: list[Cue] = []
        first: dict[str, int] = {}
        for at, entry in enumerate(found):
            cue = self._cue(self._table(entry, ("cue", at)), ("cue", at))
            if cue.name in first:
                earlier = self._lines.get(("cue", first[cue.name], "name"))
                where = f" on line {earlier}" if earlier else ""
                raise self.error(("cue", at, "name"), f'a cue is called "{cue.name}" already{where}; names must differ')
            first[cue.name] = at
            cues.append(cue)
        return tuple(cues)

    def _cue(self, entry: Table, place: Place) -> Cue:
        self._check_keys(entry, CUE_KEYS, place)
        follow_s = self._follow_s(entry, place) if "follow_s" in entry else None
        return Cue(
            name=self._name(entry, place),
            look=self._model(entry, "look", place, LOOK_WORDS),
            voice=self._model(entry, "voice", place, VOICE_PRESETS) if "voice" in entry else "bypass",
            transition_s=self._seconds(entry, "transition_s", place, 0.0),
            set=self._parameters(entry, place),
            follow_s=follow_s,
            frame=self._boolean(entry, "frame", place, False),
        )

    def _parameters(self, entry: Table, place: Place) -> dict[str, float]:
        here = (*place, "set")
        values = {}
        for name, value in self._table(entry.get("set", {}), here).items():
            if not _PARAMETER.fullmatch(name):
                raise self.error((*here, name), f'no parameter "{name}"; expected one like "sound/pitch"')
            if not _is_number(value):
                raise self.error((*here, name), f'"{name}" is {_describe(value)}; expected a number')
            if known := _PARAMETERS.get(name):
                self._check_range(known, value, (*here, name))
            values[name] = float(value)
        return values

    def _check_range(self, entry: ParameterEntry, value: float, place: Place) -> None:
        if entry.lasts is Lasts.SYNC:
            raise self.error(place, f"{entry.name} is not a cue's to set: the sync of lips and voice does")
        if not entry.low <= value <= entry.high:
            expected = f"{entry.low:g} to {entry.high:g} {entry.unit}".rstrip()
            raise self.error(place, f"{entry.name} is {_describe(value)}; expected {expected}")

    def _model(self, entry: Table, key: str, place: Place, words: tuple[str, ...]) -> str | Path:
        value = self._text(entry, key, place)
        if value in words:
            return value
        if not value.lower().endswith(".onnx"):
            listed = ", ".join(f'"{word}"' for word in words)
            raise self.error(
                (*place, key),
                f'no {key} "{value}"{_did_you_mean(value, words)}; expected {listed} or a frozen model\'s .onnx file',
            )
        return self._existing_file(value, key, (*place, key))

    def _safe_picture(self, head: Table) -> Path | None:
        if "safe_picture" not in head:
            return None
        value = self._text(head, "safe_picture", ("show",))
        if not value.lower().endswith(PICTURE_SUFFIXES):
            raise self.error(("show", "safe_picture"), f'"{value}" is no {", ".join(PICTURE_SUFFIXES)} picture')
        return self._existing_file(value, "safe_picture", ("show", "safe_picture"))

    def _existing_file(self, value: str, key: str, place: Place) -> Path:
        if "\0" in value:
            raise self.error(place, f"{key} holds a zero character; expected a path")
        given = Path(value)
        try:
            path = (self._folder / given).resolve()
            there = path.is_file()
        except (OSError, RuntimeError):  # RuntimeError: links in a circle
            path, there = self._folder / given.name, False
        if not given.is_absolute() and not path.is_relative_to(self._folder):
            raise self.error(
                place, f'{key} "{value}" leaves the show\'s folder; move it there or write its absolute path'
            )
        if not there and os.path.lexists(path):
            raise self.error(place, f'{key} "{value}": is a folder, a pipe or a broken link; expected a file')
        if not there:
            raise self.error(place, f'{key} "{value}": there is no such file{self._did_you_mean_file(path)}')
        return path

    def _did_you_mean_file(self, path: Path) -> str:
        try:
            beside = itertools.islice(path.parent.iterdir(), _MAX_LISTED)
            names = [entry.name for entry in beside if entry.suffix == path.suffix]
        except OSError:
            return ""
        return _did_you_mean(path.name, names)

    def _check_keys(self, table: Table, keys: tuple[ShowKey, ...], place: Place) -> None:
        names = [key.name for key in keys]
        for key in table:
            if key not in names:
                meant = _did_you_mean(key, names) or f"; expected one of {', '.join(names)}"
                raise self.error((*place, key), f'unknown key "{key}"{meant}')

    def _table(self, value: object, place: Place) -> Table:
        if not isinstance(value, dict):
            raise self.error(
                place,
                f"{place[-1] if isinstance(place[-1], str) else 'cue'} is {_describe(value)}; expected a table",
            )
        return value

    def _text(self, table: Table, key: str, place: Place, default: str | None = None) -> str:
        if key not in table:
            if default is not None:
                return default
            raise self.error(place, f'the cue has no "{key}"; every cue needs a name and a look')
        value = table[key]
        if not isinstance(value, str):
            raise self.error((*place, key), f"{key} is {_describe(value)}; expected text in quotes")
        if not value.strip():
            raise self.error((*place, key), f"{key} is empty")
        return value

    def _name(self, table: Table, place: Place, default: str | None = None) -> str:
        name = self._text(table, "name", place, default)
        if len(name) > MAX_NAME:
            raise self.error((*place, "name"), f"name has {len(name)} characters; expected {MAX_NAME} at most")
        if not is_one_line(name):
            raise self.error((*place, "name"), f'name "{name[:40]}" holds a control character or a line\'s end')
        return name

    def _seconds(self, table: Table, key: str, place: Place, default: float) -> float:
        value = table.get(key, default)
        if not _is_number(value):
            raise self.error((*place, key), f"{key} is {_describe(value)}; expected seconds, like 0.5")
        if not 0 <= value <= _LONGEST_S:
            raise self.error((*place, key), f"{key} is {value:g}; expected 0 to {_LONGEST_S:.0f} seconds")
        return float(value)

    def _follow_s(self, table: Table, place: Place) -> float:
        """Not too short either: nobody could see the cue, and the report would fill up."""
        value = self._seconds(table, "follow_s", place, 0.0)
        if value < SHORTEST_FOLLOW_S:
            raise self.error((*place, "follow_s"), f"follow_s is {value:g}; expected {SHORTEST_FOLLOW_S} s or more")
        return value

    def _boolean(self, table: Table, key: str, place: Place, default: bool) -> bool:
        value = table.get(key, default)
        if not isinstance(value, bool):
            raise self.error((*place, key), f"{key} is {_describe(value)}; expected true or false")
        return value

    def _choice(self, table: Table, key: str, place: Place, words: tuple[str, ...]) -> str:
        value = self._text(table, key, place, words[0])
        if value not in words:
            listed = " or ".join(f'"{word}"' for word in words)
            raise self.error((*place, key), f'{key} is "{value}"{_did_you_mean(value, words)}; expected {listed}')
        return value


def _shortened(text: str) -> str:
    return text if len(text) <= 2 * _HALF_SENTENCE else f"{text[:_HALF_SENTENCE]} ... {text[-_HALF_SENTENCE:]}"


def _is_number(value: object) -> TypeGuard[int | float]:
    """Not a whole number beyond those that a float can hold, either."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return math.isfinite(value) if isinstance(value, float) else abs(value) < 2**1000


def _did_you_mean(word: str, words: tuple[str, ...] | list[str]) -> str:
    near = difflib.get_close_matches(word, words, 1, 0.6)
    return f'; did you mean "{near[0]}"?' if near else ""


def _describe(value: object) -> str:
    """What a value is, in the words of TOML rather than of Python."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"the number {value:g}" if isinstance(value, float) or abs(value) < 10**15 else "a number beyond all use"
    if isinstance(value, str):
        return f'the text "{value[:40]}"'
    if isinstance(value, list):
        return "a list"
    return "a table" if isinstance(value, dict) else "a date or time"
