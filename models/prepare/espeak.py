"""espeak-ng as a library: speech with the start of each phoneme. The library has one voice for the whole process."""

from __future__ import annotations

import ctypes
import ctypes.util
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.prepare.data_error import DataError

_SYNCHRONOUS = 2
_PHONEME_EVENTS, _DONT_EXIT = 0x0001, 0x8000
_RATE, _PITCH, _RANGE = 1, 3, 4
_UTF8 = 1
_LIST_ENDS, _PHONEME = 0, 7

RHOTIC = frozenset({"en-us", "en-gb-scotland"})
ACCENTS = ("en-us", "en-us", "en", "en-gb-x-rp", "en-gb-scotland")
"""Accents whose phonemes sound as their mnemonics say; American as often as the British ones of England."""
_VARIANTS = """
m1 m2 m3 m4 m5 m6 m7 m8 f1 f2 f3 f4 f5 klatt klatt2 klatt3 klatt4 klatt5 klatt6 adam Alex Alicia Andrea Andy Annie
antonio aunty belinda benjamin boris caleb david Denis Diogo ed edward edward2 Gene Gene2 grandma grandpa Gustave
Henrique Hugo iven iven2 iven3 iven4 Jacky john kaukovalta Lee linda Marcelo Marco Mario max Michael michel Miguel
Nguyen norbert pablo paul pedro quincy rob robert sandro shelby steph steph2 steph3 travis victor Zac
"""
VARIANTS = tuple(_VARIANTS.split())
"""The human voices that every espeak-ng has: neither whispers nor robots."""


class Manner(NamedTuple):
    """Settings of the synthesis. speed: words a minute; pitch and liveliness: 0..100."""

    accent: str
    variant: str
    speed: int
    pitch: int
    liveliness: int


class Utterance(NamedTuple):
    """sound: float32 (n,), full scale 1; begins: (sample, mnemonic) of each phoneme, in order."""

    sound: NDArray[np.float32]
    begins: list[tuple[int, str]]


class _Name(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("text", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    """espeak_EVENT of speak_lib.h."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Name),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class Espeak:
    """The library; it needs no closing. Raises DataError where it is not installed.

    Breath and jitter are random: the same text twice has its phonemes at the same places, not the same samples.
    """

    def __init__(self) -> None:
        self._library = _library()
        self.sample_rate = int(self._library.espeak_Initialize(_SYNCHRONOUS, 0, None, _PHONEME_EVENTS | _DONT_EXIT))
        if self.sample_rate <= 0:
            raise DataError("espeak-ng finds no voices: install its data (on Debian: apt install espeak-ng-data)")
        self._library.espeak_Info.restype = ctypes.c_char_p
        self.version = self._library.espeak_Info(None).decode()
        self._sound: list[NDArray[np.int16]] = []
        self._begins: list[tuple[int, str]] = []
        self._callback = _Callback(self._collect)

    def say(self, text: str, manner: Manner) -> Utterance:
        """Raises DataError: an accent that is not installed, or a text without speech."""
        self._sound.clear()
        self._begins.clear()
        # The library has one callback for the whole process.
        self._library.espeak_SetSynthCallback(self._callback)
        voice = f"{manner.accent}+{manner.variant}"
        if self._library.espeak_SetVoiceByName(voice.encode()):
            raise DataError(f"espeak-ng {self.version} has no voice {voice}: install a newer one")
        for parameter, value in ((_RATE, manner.speed), (_PITCH, manner.pitch), (_RANGE, manner.liveliness)):
            self._library.espeak_SetParameter(parameter, value, 0)
        words = text.encode()
        failed = self._library.espeak_Synth(words, ctypes.c_size_t(len(words) + 1), 0, 1, 0, _UTF8, None, None)
        if failed or not self._sound:
            raise DataError(f"espeak-ng {self.version} says nothing for {text!r}")
        sound = np.concatenate(self._sound).astype(np.float32) / np.float32(32768)
        return Utterance(np.asarray(sound, np.float32), list(self._begins))

    def _collect(self, sound: ctypes._Pointer[ctypes.c_short], samples: int, events: Sequence[_Event]) -> int:
        if sound and samples:
            self._sound.append(np.ctypeslib.as_array(sound, (samples,)).copy())
        number = 0
        while events[number].type != _LIST_ENDS:
            if events[number].type == _PHONEME:
                self._begins.append((events[number].sample, events[number].id.string.decode()))
            number += 1
        return 0


def _library() -> ctypes.CDLL:
    name = ctypes.util.find_library("espeak-ng") or "libespeak-ng.so.1"
    try:
        return ctypes.CDLL(name)
    except OSError as error:
        raise DataError(
            "speaking with known phonemes needs espeak-ng: install it (on Debian: apt install espeak-ng), or name a "
            "corpus with TIMIT's labels by --corpus"
        ) from error
