"""Sound pieces at one rate, by FFmpeg's resampler: a new one wherever rate or layout change. Computes only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import av
import numpy as np
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

from models.features.media.sound_pieces import SoundPiece

GAP_S = 0.005
"""A time that differs by less than this from the end of the sound before it is a rounded one, not a gap."""


class PieceResampler:
    """Of one rate and layout. Belongs to one thread."""

    def __init__(self, piece: SoundPiece, sample_rate: int, layout: str | None = None) -> None:
        """`layout` None: the piece's own."""
        self._format = piece.sample_rate, piece.layout
        self._resampler = av.AudioResampler("flt", layout, sample_rate)  # not planar, see sound_pieces.py `_packed`

    def fits(self, piece: SoundPiece) -> bool:
        return self._format == (piece.sample_rate, piece.layout)

    def push(self, piece: SoundPiece) -> Iterator[NDArray[np.float32]]:
        """(channels, n) each: what is complete."""
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(piece.samples.T).reshape(1, -1), "flt", piece.layout)
        frame.sample_rate = piece.sample_rate
        yield from self._drawn(frame)

    def finish(self) -> Iterator[NDArray[np.float32]]:
        """What it still holds."""
        yield from self._drawn(None)

    def _drawn(self, frame: AudioFrame | None) -> Iterator[NDArray[np.float32]]:
        for part in self._resampler.resample(frame):
            yield np.ascontiguousarray(part.to_ndarray().reshape(-1, part.layout.nb_channels).T, np.float32)


def timed_at_rate(
    pieces: Iterable[SoundPiece], sample_rate: int, layout: str | None = None
) -> Iterator[tuple[NDArray[np.float32], float]]:
    """(channels, n) at the rate, each with its time; joining them by their times is the caller's."""
    resampler: PieceResampler | None = None
    end_s = held_s = 0.0
    for piece in pieces:
        if resampler is None or not resampler.fits(piece) or abs(piece.time_s - end_s) > 4 * GAP_S:
            if resampler is not None:
                yield from ((part, end_s - held_s) for part in resampler.finish())
            resampler, held_s = PieceResampler(piece, sample_rate, layout), 0.0
        for part in resampler.push(piece):
            yield part, piece.time_s - held_s
            held_s -= part.shape[1] / sample_rate
        length_s = piece.samples.shape[1] / piece.sample_rate
        held_s += length_s
        end_s = piece.time_s + length_s
    if resampler is not None:
        yield from ((part, end_s - held_s) for part in resampler.finish())


def placed_at_rate(pieces: Iterable[SoundPiece], sample_rate: int) -> Iterator[tuple[NDArray[np.float32], int]]:
    """(channels, n) at the rate, each with the sample it begins at, counted from time 0. Sound without a gap stays
    without one, however its stamps are rounded."""
    resampler: PieceResampler | None = None
    at, end_s = 0, 0.0
    for piece in pieces:
        is_gap = abs(piece.time_s - end_s) > GAP_S
        if resampler is None or is_gap or not resampler.fits(piece):
            if resampler is not None:
                for part in resampler.finish():
                    yield part, at
                    at += part.shape[1]
            resampler = PieceResampler(piece, sample_rate)
            if is_gap or not at:
                at, end_s = round(piece.time_s * sample_rate), piece.time_s
        end_s += piece.samples.shape[1] / piece.sample_rate
        for part in resampler.push(piece):
            yield part, at
            at += part.shape[1]
    if resampler is not None:
        for part in resampler.finish():
            yield part, at
            at += part.shape[1]


def joined_at_rate(pieces: Iterable[SoundPiece], sample_rate: int) -> Iterator[NDArray[np.float32]]:
    """(channels, n) at the rate, one directly after the other."""
    resampler: PieceResampler | None = None
    for piece in pieces:
        if resampler is None or not resampler.fits(piece):
            if resampler is not None:
                yield from resampler.finish()
            resampler = PieceResampler(piece, sample_rate)
        yield from resampler.push(piece)
    if resampler is not None:
        yield from resampler.finish()
