"""A small network that hears a voice as it comes and says, frame by frame, how its spectrum is to be changed.

It finds the mel-cepstra first (ears), a little ahead of time, and normalises them by whoever speaks, as
models.voices.speaker_stats has it; the change to the target's means and spreads is then there already, and what it
learns to add (mouth) is what its teacher does beyond that. Every convolution looks back alone, see
models.voices.layers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.features.speech import MCEPS, decode_envelope
from models.voices.layers import Affine, CausalConv, Memory
from models.voices.speaker_stats import (
    HIGHEST_HZ,
    LOWEST_HZ,
    PRIOR_16K_STD,
    STATES,
    NormalizedFrames,
    RunningSpeaker,
    as_networks_read,
)

SAMPLE_RATE, HOP = 16000, 80
"""Hz, and samples of a frame; it learns at no other rate."""
AHEAD = 240
"""Samples that are heard beyond a frame: 15 ms, for which models.features.filtered_voice waits anyhow."""
WINDOW = 400
BEHIND = WINDOW - AHEAD
BANDS = 48
_DFT = 512
_FLOOR = 1e-9
"""Of power: below what a good room has."""
UNSEEN = 6.0
"""Spreads beyond which nothing was ever taught: noise must not drive it there."""
SHOWN = 64
"""Mel frequencies at which envelopes are compared."""


class Spectra(nn.Module):
    """Windows of sound -> what ears hear of them; nothing in it is learned."""

    basis: Tensor
    bands: Tensor
    decibels: Tensor

    def __init__(self) -> None:
        super().__init__()
        window = np.hanning(WINDOW + 2)[1:-1]
        turns = np.arange(WINDOW)[:, None] * np.arange(_DFT // 2 + 1)[None] * (2 * np.pi / _DFT)
        basis = np.concatenate([np.cos(turns), np.sin(turns)], 1) * window[:, None] / np.sqrt((window**2).sum())
        # Known without a run: no part of its weights.
        self.register_buffer("basis", torch.from_numpy(basis.astype(np.float32)), persistent=False)
        self.register_buffer("bands", torch.from_numpy(_mel_bands().astype(np.float32)), persistent=False)
        self.register_buffer("decibels", _decibels(), persistent=False)

    def forward(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        """(N, T, WINDOW) -> (N, BANDS, T) ln powers of mel bands below their mean, and that mean, (N, 1, T)."""
        real, imaginary = (windows @ self.basis).chunk(2, -1)
        powers = (real.square() + imaginary.square()) @ self.bands
        # Not by adding it: so small a sum would be taken for nothing where the graph is made simpler.
        bands = powers.clamp(min=_FLOOR).log().transpose(1, 2)
        level = bands.mean(1, keepdim=True)
        return bands - level, level


class Block(nn.Module):
    """A gated convolution over the newest frames, added to what it hears."""

    def __init__(self, width: int, frames: int) -> None:
        super().__init__()
        self.conv = CausalConv(width, 2 * width, (frames,))

    def forward(self, x: Tensor, memory: Memory) -> Tensor:
        return x + F.glu(self.conv(x, memory), 1)


class AnalysisNet(nn.Module):
    """(N, BANDS, T) and (N, 1, T) -> mel-cepstra (N, MCEPS, T), as WORLD would find them, and what else was heard.

    What the bands themselves say is there from the start; learned is how WORLD's envelope, which knows the pitch and
    what comes next, differs from it.
    """

    guess: Tensor
    spread: Tensor

    def __init__(self, width: int, blocks: int, frames: int) -> None:
        super().__init__()
        self.first = CausalConv(BANDS + 1, 2 * width, (frames,))
        self.blocks = nn.ModuleList(Block(width, frames) for _ in range(blocks))
        self.last = nn.Conv1d(width, MCEPS, 1)
        nn.init.zeros_(self.last.weight)
        at_bands = _at(np.linspace(_mel(0.0), _mel(SAMPLE_RATE / 2), BANDS + 2)[1:-1])
        self.register_buffer("guess", torch.from_numpy(np.linalg.pinv(at_bands.T).astype(np.float32)), persistent=False)
        spread = torch.tensor(PRIOR_16K_STD)[:, None]
        self.register_buffer("spread", spread, persistent=False)

    def forward(self, bands: Tensor, level: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        x = torch.cat([0.5 * bands, (0.3 * (level + 10.0)).clamp(-3.0, 3.0)], 1)
        x = F.glu(self.first(x, memory), 1)
        for block in self.blocks:
            x = block(x, memory)
        return self.guess @ (bands + level) + self.last(x).float() * self.spread, x


class FilterNetwork(nn.Module):
    """Ears and mouth. Whom the teacher knows it converts in a way of his own: so the mouth has gains and shifts for
    each of them."""

    target_mean: Tensor
    target_spread: Tensor

    def __init__(self, width: int, blocks: int, frames: int, sources: int, target: Tensor) -> None:
        """sources: whoever speaks, and those who are known; target: (2, MCEPS) mean and spread, ln F0's in place of
        c0's."""
        super().__init__()
        self.ears = AnalysisNet(width, blocks, frames)
        self.begin = nn.Conv1d(MCEPS + width, width, 1)
        self.ways = nn.ModuleList(Affine(width, (sources,)) for _ in range(blocks))
        self.blocks = nn.ModuleList(Block(width, frames) for _ in range(blocks))
        self.last = nn.Conv1d(width, MCEPS, 1)
        for weights in self.last.parameters():
            nn.init.zeros_(weights)
        self.register_buffer("target_mean", target[0, :, None].float(), persistent=False)
        self.register_buffer("target_spread", target[1, :, None].float(), persistent=False)

    def change(self, mcep: Tensor, heard: Tensor, values: Tensor, source: Tensor, memory: Memory) -> Tensor:
        """What is to be added to `mcep`, (N, MCEPS, T); values: the same as networks read it, see
        models.voices.speaker_stats; source: (N,) int64, 0 for whoever speaks."""
        x = self.begin(torch.cat([values.clamp(-UNSEEN, UNSEEN).to(heard.dtype), heard], 1))
        for way, block in zip(self.ways, self.blocks, strict=True):
            x = block(way(x, source), memory)
        more = self.last(x).float()
        moved = (values + more)[:, 1:] * self.target_spread[1:] + self.target_mean[1:]
        return torch.cat([more[:, :1], moved - mcep[:, 1:]], 1)

    def pitch(self, lf0: Tensor) -> Tensor:
        """The target's ln F0 for that of whoever speaks, normalised by his own mean and spread."""
        moved = lf0 * self.target_spread[0] + self.target_mean[0]
        return moved.clamp(float(np.log(LOWEST_HZ)), float(np.log(HIGHEST_HZ)))

    def forward(self, bands: Tensor, level: Tensor, known: Tensor, source: Tensor) -> tuple[Tensor, Tensor]:
        """Of crops: mcep and change, (N, T, MCEPS) each. known: (N, T, 2 * MCEPS + 1), see prepare.voice_lessons."""
        memory = Memory()
        mcep, heard = self.ears(bands, level, memory)
        mean, spread, loudest = torch.split(known.mT, [MCEPS, MCEPS, 1], 1)
        found = NormalizedFrames(((mcep - mean) / spread).mT, loudest.mT, torch.zeros_like(loudest.mT))
        values = as_networks_read(mcep.mT, found).mT
        return mcep.mT, self.change(mcep, heard, values, source, memory).mT


class FilteringVoice(nn.Module):
    """A hop of sound -> how the frame AHEAD samples before its end is to be changed, and the states: what the stage
    runs. See export.artifact.manifest.Manifest."""

    def __init__(self, network: FilterNetwork, speaker: RunningSpeaker) -> None:
        super().__init__()
        self.spectra = Spectra()
        self.network, self.speaker = network, speaker

    def forward(self, sound: Tensor, lf0: Tensor, source: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """sound: (1, HOP); lf0: (1, 1); `states`: those of STATES, the sound before, and the network's memory."""
        running, before, past = states[: len(STATES)], states[len(STATES)], states[len(STATES) + 1 :]
        heard_sound = torch.cat([before, sound], 1)
        memory = Memory(past)
        bands, level = self.spectra(heard_sound[:, None])
        mcep, heard = self.network.ears(bands, level, memory)
        voiced = (lf0 > 0).to(lf0.dtype)
        frames = mcep.transpose(1, 2)
        found, running = self.speaker(frames, lf0, voiced, source, running)
        values = as_networks_read(frames, found).transpose(1, 2)
        who = source.clamp(0, len(self.speaker.means) - 1)
        change = self.network.change(mcep, heard, values, who, memory)
        pitch = self.network.pitch(found.values[..., 0]) * voiced
        return change.transpose(1, 2), pitch, *running, heard_sound[:, HOP:], *memory.kept


def windows_of(sound: Tensor, frames: int) -> Tensor:
    """(N, samples) from BEHIND before the first frame to AHEAD after the last -> (N, frames, WINDOW)."""
    windows = sound.unfold(-1, WINDOW, HOP)
    assert windows.shape[1] == frames
    return windows


def _decibels() -> Tensor:
    """(MCEPS, SHOWN): mel-cepstra times this are dB of the envelope at SHOWN places, evenly far apart to an ear."""
    shown = _at(np.linspace(_mel(0.0), _mel(SAMPLE_RATE / 2), SHOWN))
    return torch.from_numpy(shown.astype(np.float32) * 10.0 / float(np.log(10.0)))


def _at(mels: Any) -> Any:
    """(MCEPS, places): what each mel-cepstrum adds there to the ln power."""
    log_power = np.log(decode_envelope(np.eye(MCEPS), SAMPLE_RATE))
    bins = np.linspace(0.0, SAMPLE_RATE / 2, log_power.shape[1])
    return np.stack([np.interp(_hertz(mels), bins, row) for row in log_power])


def states_of(network: FilterNetwork) -> dict[str, Tensor]:
    """The states of a FilteringVoice by name, as they begin."""
    memory = Memory()
    with torch.no_grad():
        _, heard = network.ears(torch.zeros(1, BANDS, 1), torch.zeros(1, 1, 1), memory)
        nothing = torch.zeros(1, MCEPS, 1)
        network.change(nothing, heard, nothing, torch.zeros(1, dtype=torch.int64), memory)
    states = {name: torch.zeros(1, width) for name, width in STATES.items()}
    states["before"] = torch.zeros(1, WINDOW - HOP)
    return states | {f"memory_{number}": torch.zeros_like(kept) for number, kept in enumerate(memory.kept)}


def _mel_bands() -> Any:
    """(bins, BANDS): triangles, each from the middle of the one before to that of the one after, their sums 1."""
    edges = _hertz(np.linspace(_mel(0.0), _mel(SAMPLE_RATE / 2), BANDS + 2))
    bins = np.arange(_DFT // 2 + 1) * SAMPLE_RATE / _DFT
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    rise, fall = (bins[:, None] - low) / (middle - low), (high - bins[:, None]) / (high - middle)
    triangles = np.maximum(np.minimum(rise, fall), 0.0)
    # The lowest are narrower than a bin is wide.
    nearest = np.abs(bins[:, None] - middle).argmin(0)
    triangles[nearest, np.arange(BANDS)] = np.maximum(triangles[nearest, np.arange(BANDS)], 0.1)
    return triangles / triangles.sum(0)


def _mel(hertz: Any) -> Any:
    return 1127.0 * np.log1p(np.asarray(hertz) / 700.0)


def _hertz(mel: Any) -> Any:
    return 700.0 * np.expm1(np.asarray(mel) / 1127.0)
