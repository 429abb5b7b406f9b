"""The stand-in performer: what `--camera demo` films where there is no camera.

A script of forty seconds that loops: glances, a laugh, an astonished "oh", blinks. The lips follow what `--mic demo`
says (speech.flac, twice), read from its sound; between the sentences they are closed. All tracks are computed once; a
picture is then a look-up and the portrait's two warps. Stateless: any time can be asked for, in any order. Runs in the
source's reader thread; a DemoPerformer belongs to one thread.
"""

from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from live.demo.portrait import PortraitExpression, PortraitPose, StandInPortrait
from live.sound.sound_file import SoundFile

Track = NDArray[np.float32]

SPEECH: Final = Path(__file__).resolve().parent / "speech.flac"
SPEECH_S: Final = 20.0
LOOP_S: Final = 2 * SPEECH_S
_RATE_HZ: Final = 100  # of the tracks; no motion of a face is faster than a tenth of this
_SAMPLES: Final = int(LOOP_S * _RATE_HZ)
_SPEECH_RATE_HZ: Final = 16_000
_WINDOW: Final = 512  # of the speech's spectrum: 32 ms
_SCRIPT_OFFSET_S: Final = 3.75  # the script below starts this long after the speech: its "oh" comes after the sentence

# When the lids are down, in seconds.
_BLINKS: Final = (0.5, 3.1, 6.3, 8.1, 11.2, 15.9, 16.35, 18.9, 21.9, 25.6, 31.9, 35.3, 38.2)
_BLINK_S: Final = 0.085  # a blink's standard deviation: about a third of a second from open to open

# Key poses: (second, value); eased from each to the next, and from the last back to the first.
_SMILE: Final = (
    (0, 0.35), (0.6, 0.7), (1.6, 0.35), (7.0, 0.2), (7.6, 0.65), (8.4, 0.35), (13.2, 0.2), (14.4, 0.3),
    (15.2, 1.0), (16.2, 0.9), (17.2, 0.5), (19.0, 0.3), (24.0, 0.15), (27.0, 0.5), (28.4, 0.3), (31.5, 0.2),
    (36.4, 0.6), (37.2, 0.4), (39.2, 0.6),
)  # fmt: skip
_ASTONISHED: Final = ((13.35, 0), (13.65, 1), (14.35, 1), (14.8, 0))  # jaw down, brows up
_LAUGH: Final = ((15.0, 0), (15.25, 0.5), (15.8, 0.42), (16.3, 0))
_BROWS: Final = (
    (0, 0), (1.0, 0.4), (1.8, 0), (4.4, 0), (4.8, -0.5), (6.2, -0.3), (6.8, 0.5), (7.6, 0), (9.2, 0.5),
    (9.8, 0), (13.3, 0.1), (13.6, 1), (14.4, 1), (15, 0.1), (19.8, 0.1), (20.2, 0.6), (21, 0), (25.4, 0.7),
    (26.2, 0), (33, -0.3), (35, -0.5), (36.4, 0.3), (37.4, 0.5), (38.4, 0),
)  # fmt: skip
_CLOSED: Final = ((29.6, 0), (29.8, 1), (30.9, 1), (31.15, 0))
_YAW: Final = (
    (0, 0), (2.4, 3), (3.4, -4), (6.0, -3), (7.2, 4), (8.6, 9), (10.4, 7), (11.6, -2), (14.6, 0), (15.6, -5),
    (17.4, 0), (19.0, 0), (19.9, -15), (21.4, -14), (22.4, -4), (23.6, 10), (24.6, 15), (26.4, 13), (27.4, 2),
    (31.4, 0), (33.0, -4), (36.0, 3), (38.5, 0),
)  # fmt: skip
_PITCH: Final = (
    (0, 0), (3.4, -1), (6.8, 1.5), (9.0, -2), (11.5, 0), (13.6, 4), (14.5, 4), (15.4, -3), (16.0, 1),
    (17.4, 0), (22.6, 0), (25.0, 7), (26.4, 7), (27.6, 0), (29.4, -1), (30.3, -5), (31.3, 0), (33.4, -3),
    (36, -2), (37.6, 2), (39.0, 0),
)  # fmt: skip
_ROLL: Final = (
    (0, 0), (2.6, 2), (4.4, -3), (6.6, 1), (7.6, -5), (8.6, -2), (10.6, 4), (12.4, 0), (14.6, -1), (15.6, 8),
    (16.8, 7), (18.2, 0), (20.4, -3), (24.6, 4), (27.2, -8), (28.6, -6), (29.6, 0), (33.0, 3), (35.6, -4),
    (37.8, 1),
)  # fmt: skip
_NEARER: Final = (
    (0, 0), (3.0, 0.02), (8.0, -0.03), (13.2, 0.0), (13.8, -0.05), (15.0, -0.02), (18.0, 0.0), (24.0, -0.06),
    (27.4, -0.08), (31.4, -0.02), (33.2, 0.08), (35.8, 0.075), (37.4, 0.0),
)  # fmt: skip
_SIDE: Final = (
    (0, 0), (3.0, -3), (8.0, 4), (12.0, 0), (15.6, 5), (17.8, 1), (20.2, -8), (22.0, -6), (24.8, 8),
    (26.8, 7), (29.0, 0), (34.0, -3), (37.6, 0),
)  # fmt: skip
_GAZE_X: Final = (
    (0, 0), (6.9, 0), (7.0, 0.8), (8.0, 0.7), (8.1, 0), (19.3, 0), (19.4, -0.7), (20.2, 0), (23.0, 0),
    (23.1, 0.8), (24.4, 0), (26.9, 0), (27.0, -0.6), (27.8, 0),
)  # fmt: skip
_GAZE_Y: Final = ((0, 0), (6.9, 0), (7.0, -0.6), (8.0, -0.5), (8.1, 0), (24.6, 0), (24.8, -0.6), (26.2, 0))


def _seconds() -> Track:
    return (np.arange(_SAMPLES) / _RATE_HZ).astype(np.float32)


def _smooth(track: Track, sigma_s: float) -> Track:
    """Smoothed around the loop, from its end to its beginning."""
    around = np.concatenate((track[-200:], track, track[:200]))
    return np.asarray(cv2.GaussianBlur(around[None], (0, 0), sigma_s * _RATE_HZ)[0, 200:-200], np.float32)


def _eased_track(keys: tuple[tuple[float, float], ...], sigma_s: float = 0.12) -> Track:
    times, values = zip(*keys, strict=True)
    return _smooth(np.interp(_seconds() - _SCRIPT_OFFSET_S, times, values, period=LOOP_S).astype(np.float32), sigma_s)


def _speech_mouth() -> tuple[Track, Track]:
    """Jaw opening and rounding of a mouth that says the speech, at the tracks' rate.

    The louder the vowels' bands, the wider; wider still with a high first formant ("ah"), and rounded if that comes
    without a second formant ("oh").
    """
    spectrum = _spectrum(np.concatenate(list(SoundFile(SPEECH, _SPEECH_RATE_HZ).passages(0))))
    frequencies_hz = np.fft.rfftfreq(_WINDOW, 1 / _SPEECH_RATE_HZ)
    low, middle, high = (
        spectrum[:, (frequencies_hz >= begin) & (frequencies_hz < end)].sum(axis=1)
        for begin, end in ((200, 500), (500, 1100), (1100, 3000))
    )
    power = low + middle
    loudness = np.sqrt(np.minimum(np.sqrt(power / np.percentile(power, 95)), 1.0))
    open_vowel = middle / power
    jaw = loudness * (0.34 + 0.44 * open_vowel)
    rounded = loudness * open_vowel * np.clip(1.0 - 25.0 * high / (power + high), 0.0, 1.0)
    twice = [np.tile(track, 2).astype(np.float32) for track in (jaw, rounded)]
    return _smooth(twice[0], 0.03), _smooth(twice[1], 0.05)


def _spectrum(speech: Track) -> NDArray[np.float32]:
    """Power (time of one round at the tracks' rate, frequency), continued around the loop."""
    around = np.concatenate((speech[-_WINDOW // 2 :], speech, speech[: _WINDOW // 2]))
    begins = (np.arange(_SAMPLES // 2) * (len(speech) / (_SAMPLES // 2))).astype(int)
    pieces = np.lib.stride_tricks.sliding_window_view(around, _WINDOW)[begins]
    return np.asarray(np.abs(np.fft.rfft(pieces * np.hanning(_WINDOW))) ** 2 + 1e-9, np.float32)


def _sway(amplitude: float, turns: tuple[int, ...], phase: float) -> Track:
    """A slow involuntary movement: a few waves, each a whole number of periods in the loop."""
    angle = 2.0 * np.pi * _seconds() / LOOP_S
    waves = np.mean([np.sin(n * angle + phase * n) for n in turns], axis=0)
    return np.asarray(amplitude * waves, np.float32)


def _blinks() -> Track:
    """Lids from 0, open, to 1, closed: they close and open along a flattened bell curve."""
    away = np.abs((_seconds()[:, None] - _SCRIPT_OFFSET_S) % LOOP_S - np.array(_BLINKS, np.float32))
    away = np.minimum(away, LOOP_S - away)
    bell = 1.35 * np.exp(-((away / _BLINK_S) ** 2) / 2.0).max(axis=1)
    return np.asarray(np.maximum(np.minimum(bell, 1.0), _eased_track(_CLOSED, 0.04)), np.float32)


def _tracks() -> dict[str, Track]:
    """All motion tracks, by the names of PortraitExpression's and PortraitPose's fields."""
    jaw, rounded = _speech_mouth()
    astonished, laugh = _eased_track(_ASTONISHED, 0.05), _eased_track(_LAUGH, 0.06)
    stress = _smooth(jaw, 0.22)  # head and brows move with the speech
    smile = _eased_track(_SMILE) - 0.15 * astonished
    return {
        "jaw": np.clip(np.maximum(np.maximum(jaw, astonished), laugh), 0.0, 1.0),
        "round": np.clip(rounded + 0.35 * astonished, 0.0, 1.0),
        "smile": np.clip(smile, 0.0, 1.0),
        "lids": np.clip(_blinks() + 0.05 * (1.0 + _sway(1.0, (5, 11), 0.4)), 0.0, 1.0),
        "brows": np.clip(_eased_track(_BROWS, 0.08) + 0.25 * stress + _sway(0.08, (7, 17), 1.0), -1.0, 1.0),
        "gaze_x": _eased_track(_GAZE_X, 0.02) + _sway(0.12, (13, 29), 0.2),
        "gaze_y": _eased_track(_GAZE_Y, 0.02) + _sway(0.08, (17, 31), 0.9),
        "yaw_deg": _eased_track(_YAW, 0.15) + _sway(1.0, (9, 14, 23), 0.3),
        "pitch_deg": _eased_track(_PITCH, 0.15) - 4.0 * (stress - _smooth(stress, 0.8)) + _sway(0.7, (8, 19, 27), 0.7),
        "roll_deg": _eased_track(_ROLL, 0.18) + _sway(0.8, (6, 13, 21), 1.9),
        "nearer": _eased_track(_NEARER, 0.25) + _sway(0.006, (10, 17), 0.5),  # the sway is breathing
        "x": _eased_track(_SIDE, 0.25) + _sway(0.8, (7, 12), 1.3),
        "y": _sway(0.9, (10, 15), 0.1) + 0.8 * stress,
    }


class DemoPerformer:
    """Pictures of the performer at a given time. One thread at a time."""

    def __init__(self, width: int = 640, height: int = 480) -> None:
        self._tracks = _tracks()
        self._portrait = StandInPortrait(width, height)

    def picture(self, t_s: float) -> NDArray[np.uint8]:
        """RGB (height, width, 3), a new array, the same for the same `t_s` and again LOOP_S later."""
        expression, pose = self.state_at(t_s)
        return self._portrait.picture(expression, pose)

    def state_at(self, t_s: float) -> tuple[PortraitExpression, PortraitPose]:
        """The expression and pose at `t_s`: the ground truth for a tracker."""
        at = (t_s % LOOP_S) * _RATE_HZ
        before = int(at) % _SAMPLES
        part, after = at - int(at), (before + 1) % _SAMPLES
        now = {name: float(track[before] * (1.0 - part) + track[after] * part) for name, track in self._tracks.items()}
        expression = PortraitExpression(**{name: now[name] for name in PortraitExpression.__slots__})
        return expression, PortraitPose(**{name: now[name] for name in PortraitPose.__slots__})
