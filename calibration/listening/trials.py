"""A blind listening test: which of several systems' sounds is preferred.

A system is a folder of sounds, a trial the sounds that have the same name in all folders. Each listener hears the
trials in an order of their own and the sounds of each trial in another, under ids that reveal nothing; a ranking is in
OUT/ranks.csv before the next trial begins. Created in the calling thread, then used by the threads of the server, under
a lock.
"""

from __future__ import annotations

import csv
import io
import os
import random
import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from models.features.media.bad_media import BadMedia
from models.features.media.sound_files import read_sound_file, write_sound_file

COLUMNS = ("at", "listener", "trial", "system", "rank", "place")
"""Of ranks.csv, with a row for each sound: rank 1 is the best; place is the sound's position when the trial was shown,
from 1 on."""
RANKS = "ranks.csv"
_LEVEL_DBFS, _PEAK = -23.0, 0.98
MAX_LISTENERS = 200
"""Whoever opens the page again is a new listener: more are not kept open. What was ranked is on the disk."""
_MAX_SYSTEMS = 9
"""Each has a digit on the keyboard, and nobody can rank more."""


class BadListeningTest(Exception):
    """These folders or files make no listening test; the message is one line."""


@dataclass(frozen=True)
class ListeningTrial:
    """`sounds` are ids in the order they are shown, `systems` the system of each."""

    name: str
    sounds: tuple[str, ...]
    systems: tuple[str, ...]


@dataclass
class Listener:
    """A listener with the page open; `ranked` counts their trials that are saved."""

    trials: Sequence[ListeningTrial]
    ranked: int = 0


class ListeningTest:
    """The sounds, the listeners, and their rankings."""

    def __init__(self, folders: Sequence[Path], out: Path) -> None:
        """Raises BadListeningTest, OSError."""
        self.systems = _systems(folders)
        self.trials, self.left_out = _trials(self.systems)
        self._out = out / RANKS
        out.mkdir(parents=True, exist_ok=True)
        _prepare_file(self._out, set(self.systems))
        self._listeners: dict[str, Listener] = {}
        self._paths: dict[str, Path] = {}
        self._gains = {name: _gains([folder / name for folder in self.systems.values()]) for name in self.trials}
        self._lock = threading.Lock()

    def add_listener(self) -> str:
        """A new listener's id. Beyond MAX_LISTENERS one is forgotten: the first who ranked nothing, or the first."""
        with self._lock:
            if len(self._listeners) >= MAX_LISTENERS:
                self._forget(min(self._listeners, key=lambda known: self._listeners[known].ranked > 0))
            listener_id = secrets.token_hex(8)
            rng = random.SystemRandom()
            self._listeners[listener_id] = Listener(
                [self._shuffled_trial(name, rng) for name in rng.sample(self.trials, len(self.trials))]
            )
            return listener_id

    def _forget(self, listener_id: str) -> None:
        for trial in self._listeners.pop(listener_id).trials:
            for sound in trial.sounds:
                del self._paths[sound]

    def listener(self, listener_id: str) -> Listener | None:
        with self._lock:
            return self._listeners.get(listener_id)

    def wav(self, sound_id: str) -> bytes | None:
        """A WAV that holds nothing but the sound, as loud as the others of its trial; None for an unknown id."""
        with self._lock:
            path = self._paths.get(sound_id)
        if path is None:
            return None
        samples, rate = read_sound_file(path)
        wav = io.BytesIO()
        write_sound_file(wav, samples * self._gains[path.name][path], rate)
        return wav.getvalue()

    def save_ranking(self, listener_id: str, number: int, best_first: Sequence[str]) -> bool:
        """Saves a trial, counted from 0; sent twice, it is saved once. False where the trial is not one of this
        listener, or not their next. Raises OSError."""
        with self._lock:
            listener = self._listeners.get(listener_id)
            if listener is None or not 0 <= number <= min(listener.ranked, len(listener.trials) - 1):
                return False
            trial = listener.trials[number]
            if sorted(best_first) != sorted(trial.sounds):
                return False
            if number == listener.ranked:
                self._append_rows(listener_id, trial, best_first)
                listener.ranked += 1
            return True

    def _shuffled_trial(self, name: str, rng: random.Random) -> ListeningTrial:
        systems = rng.sample(list(self.systems), len(self.systems))
        sounds = tuple(secrets.token_hex(8) for _ in systems)
        self._paths |= {sound: self.systems[system] / name for sound, system in zip(sounds, systems, strict=True)}
        return ListeningTrial(Path(name).stem, sounds, tuple(systems))

    def _append_rows(self, listener_id: str, trial: ListeningTrial, best_first: Sequence[str]) -> None:
        at = datetime.now(UTC).isoformat(timespec="seconds")
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(
            (at, listener_id, trial.name, system, best_first.index(sound) + 1, place)
            for place, (sound, system) in enumerate(zip(trial.sounds, trial.systems, strict=True), 1)
        )
        # The rows of a trial in one write, on the disk before the listener goes on: a crash loses none of them.
        with self._out.open("ab", buffering=0) as file:
            file.write(text.getvalue().encode())
            os.fsync(file.fileno())


def read_ranks(folder: Path) -> list[dict[str, str]]:
    """The rows of all complete trials. Raises BadListeningTest."""
    rows = _read_rows(folder / RANKS)
    systems = {row["system"] for row in rows}
    wanted = [str(rank) for rank in range(1, len(systems) + 1)]
    trials: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in rows:
        trials.setdefault((row["listener"], row["trial"]), []).append(row)
    return [
        row
        for trial in trials.values()
        if sorted(row["rank"] for row in trial) == wanted and {row["system"] for row in trial} == systems
        for row in trial
    ]


def _read_rows(path: Path) -> list[dict[str, str]]:
    """All complete rows. Raises BadListeningTest."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            rows = [row for row in reader if None not in row.values() and row.keys() == set(COLUMNS)]
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise BadListeningTest(f"{path} holds no ranks of a listening test")
    except OSError as error:
        raise BadListeningTest(f"{path} cannot be read: {error.strerror or error}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadListeningTest(f"{path} holds no ranks of a listening test: {error}") from error
    return rows


def _systems(folders: Sequence[Path]) -> dict[str, Path]:
    by_name = {folder.resolve().name: folder.resolve() for folder in folders}
    if not 2 <= len(folders) <= _MAX_SYSTEMS:
        raise BadListeningTest(f"a listening test compares 2 to {_MAX_SYSTEMS} folders of sounds, not {len(folders)}")
    if len(by_name) < len(folders):
        raise BadListeningTest("two of the folders are called alike, and nobody could tell them apart: rename one")
    for folder in by_name.values():
        if not folder.is_dir():
            raise BadListeningTest(f"{folder}: there is no such folder")
    return by_name


def _trials(systems: Mapping[str, Path]) -> tuple[list[str], list[str]]:
    """Names of the files that all systems have, and of those that only some have."""
    names_by_system = [{path.name for path in folder.glob("*.wav") if path.is_file()} for folder in systems.values()]
    common = set.intersection(*names_by_system)
    if not common:
        raise BadListeningTest(f"no .wav has one name in all of {', '.join(map(str, systems.values()))}")
    return sorted(common), sorted(set.union(*names_by_system) - common)


def _gains(paths: Sequence[Path]) -> dict[Path, np.float32]:
    """The gains that bring the sounds of a trial to one level, at which none of them clips. Raises BadListeningTest."""
    levels: dict[Path, float] = {}
    level = 10 ** (_LEVEL_DBFS / 20)
    for path in paths:
        try:
            samples, _ = read_sound_file(path)
        except BadMedia as error:
            raise BadListeningTest(f"{path} cannot be played: {str(error).rpartition(': ')[2]}") from error
        rms = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0
        if not np.isfinite(rms) or rms < 1e-6:
            raise BadListeningTest(f"{path} is silent")
        levels[path] = rms
        level = min(level, rms * _PEAK / float(np.abs(samples).max()))
    return {path: np.float32(level / rms) for path, rms in levels.items()}


def _prepare_file(path: Path, systems: set[str]) -> None:
    """Writes the header of a new file; in an old one, ends a row that a crash cut short, so that the next has a line of
    its own."""
    if not path.exists():
        path.write_text(",".join(COLUMNS) + "\n", "utf-8")
        return
    before = {row["system"] for row in read_ranks(path.parent)}
    if before and before != systems:
        raise BadListeningTest(f"{path} compares {', '.join(sorted(before))}: name another folder for these sounds")
    written = path.read_bytes()
    if not written.endswith(b"\n"):
        with path.open("ab") as file:
            file.write(b"\n")
