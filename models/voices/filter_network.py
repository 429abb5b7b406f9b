"""A small causal network that predicts, frame by frame, how the spectrum of a voice is to be changed.

An analysis network first finds the mel-cepstra, a little ahead of time; they are normalised by the speaker's statistics
(models.voices.speaker_stats). The change to the target's means and standard deviations follows from these without
learning; the conversion network learns what the teacher does beyond it. All convolutions are causal, see
models.voices.layers.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from models.features.speech import MCEPS, decode_envelope
from models.voices.layers import Affine, CausalConv, Memory
from models.voices.speaker_stats import (
    HIGHEST_HZ,
    INPUT_LIMIT,
    LOWEST_HZ,
    PRIOR_16K_STD,
    STATES,
    NormalizedFrames,
    RunningSpeaker,
    network_input,
)

SAMPLE_RATE, HOP = 16000, 80
"""Hz, and samples of a frame; the network is trained at no other rate."""
LOOKAHEAD = 240
"""Samples of sound used beyond a frame: 15 ms, for which models.features.filtered_voice waits anyway."""
WINDOW = 400
LOOKBACK = WINDOW - LOOKAHEAD
BANDS = 48
_DFT = 512
_FLOOR = 1e-9
"""Of power: below the noise of a quiet room."""
SHOWN = 64
"""Number of mel frequencies at which envelopes are compared."""


class Spectra(nn.Module):
    """Windows of sound -> log powers of mel bands. It has no trained parameters."""

    basis: Tensor
    bands: Tensor
    decibels: Tensor

    def __init__(self) -> None:
        super().__init__()
        window = np.hanning(WINDOW + 2)[1:-1]
        turns = np.arange(WINDOW)[:, None] * np.arange(_DFT // 2 + 1)[None] * (2 * np.pi / _DFT)
        basis = np.concatenate([np.cos(turns), np.sin(turns)], 1) * window[:, None] / np.sqrt((window**2).sum())
        # Derived, so not part of the weights of a run.
        self.register_buffer("basis", torch.from_numpy(basis.astype(np.float32)), persistent=False)
        self.register_buffer("bands", torch.from_numpy(_mel_bands().astype(np.float32)), persistent=False)
        self.register_buffer("decibels", _decibels(), persistent=False)

    def forward(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        """(N, T, WINDOW) -> (N, BANDS, T) ln powers of mel bands relative to their mean, and that mean, (N, 1, T)."""
        real, imaginary = (windows @ self.basis).chunk(2, -1)
        powers = (real.square() + imaginary.square()) @ self.bands
        # Clamped, not added: graph optimisers may drop so small an addend.
        bands = powers.clamp(min=_FLOOR).log().transpose(1, 2)
        level = bands.mean(1, keepdim=True)
        return bands - level, level


class GatedBlock(nn.Module):
    """A residual gated convolution over the newest frames."""

    def __init__(self, width: int, frames: int) -> None:
        super().__init__()
        self.conv = CausalConv(width, 2 * width, (frames,))

    def forward(self, x: Tensor, memory: Memory) -> Tensor:
        return x + F.glu(self.conv(x, memory), 1)


class AnalysisNet(nn.Module):
    """(N, BANDS, T) and (N, 1, T) -> mel-cepstra (N, MCEPS, T), as WORLD would find them, and hidden features (N,
    width, T).

    The linear inversion of the bands is the starting point; the network learns the difference to WORLD's envelope,
    which uses the pitch and later samples.
    """

    band_inverse: Tensor
    std: Tensor

    def __init__(self, width: int, blocks: int, frames: int) -> None:
        super().__init__()
        self.first = CausalConv(BANDS + 1, 2 * width, (frames,))
        self.blocks = nn.ModuleList(GatedBlock(width, frames) for _ in range(blocks))
        self.last = nn.Conv1d(width, MCEPS, 1)
        nn.init.zeros_(self.last.weight)
        at_bands = _log_power_at(np.linspace(_mel(0.0), _mel(SAMPLE_RATE / 2), BANDS + 2)[1:-1])
        self.register_buffer(
            "band_inverse", torch.from_numpy(np.linalg.pinv(at_bands.T).astype(np.float32)), persistent=False
        )
        std = torch.tensor(PRIOR_16K_STD)[:, None]
        self.register_buffer("std", std, persistent=False)

    def forward(self, bands: Tensor, level: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        x = torch.cat([0.5 * bands, (0.3 * (level + 10.0)).clamp(-3.0, 3.0)], 1)
        x = F.glu(self.first(x, memory), 1)
        for block in self.blocks:
            x = block(x, memory)
        return self.band_inverse @ (bands + level) + self.last(x).float() * self.std, x


class FilterNetwork(nn.Module):
    """The analysis network and the conversion network. The teacher converts known speakers each in its own way, so the
    conversion network has gains and shifts for each source."""

    target_mean: Tensor
    target_std: Tensor

    def __init__(self, width: int, blocks: int, frames: int, sources: int, target: Tensor) -> None:
        """sources: number of sources, the unknown speaker and the known ones; target: (2, MCEPS) mean and standard
        deviation, ln F0's in place of c0's."""
        super().__init__()
        self.analysis = AnalysisNet(width, blocks, frames)
        self.entry = nn.Conv1d(MCEPS + width, width, 1)
        self.source_affines = nn.ModuleList(Affine(width, (sources,)) for _ in range(blocks))
        self.blocks = nn.ModuleList(GatedBlock(width, frames) for _ in range(blocks))
        self.last = nn.Conv1d(width, MCEPS, 1)
        for weights in self.last.parameters():
            nn.init.zeros_(weights)
        self.register_buffer("target_mean", target[0, :, None].float(), persistent=False)
        self.register_buffer("target_std", target[1, :, None].float(), persistent=False)

    def change(self, mcep: Tensor, hidden: Tensor, values: Tensor, source: Tensor, memory: Memory) -> Tensor:
        """The values to add to `mcep`, (N, MCEPS, T). values: the same frames as networks read them, see
        models.voices.speaker_stats; source: (N,) int64, 0 for an unknown speaker."""
        x = self.entry(torch.cat([values.clamp(-INPUT_LIMIT, INPUT_LIMIT).to(hidden.dtype), hidden], 1))
        for affine, block in zip(self.source_affines, self.blocks, strict=True):
            x = block(affine(x, source), memory)
        residual = self.last(x).float()
        moved = (values + residual)[:, 1:] * self.target_std[1:] + self.target_mean[1:]
        return torch.cat([residual[:, :1], moved - mcep[:, 1:]], 1)

    def pitch(self, lf0: Tensor) -> Tensor:
        """The target's ln F0 for a source's ln F0 that is normalised by the source's mean and standard deviation."""
        moved = lf0 * self.target_std[0] + self.target_mean[0]
        return moved.clamp(float(np.log(LOWEST_HZ)), float(np.log(HIGHEST_HZ)))

    def forward(self, bands: Tensor, level: Tensor, known: Tensor, source: Tensor) -> tuple[Tensor, Tensor]:
        """Of crops: mcep and change, (N, T, MCEPS) each. known: (N, T, 2 * MCEPS + 1), see
        models.datasets.distillation_data.DistillationSentence."""
        memory = Memory()
        mcep, hidden = self.analysis(bands, level, memory)
        mean, std, loudest = torch.split(known.mT, [MCEPS, MCEPS, 1], 1)
        normalized = NormalizedFrames(((mcep - mean) / std).mT, loudest.mT, torch.zeros_like(loudest.mT))
        values = network_input(mcep.mT, normalized).mT
        return mcep.mT, self.change(mcep, hidden, values, source, memory).mT


class FilteringVoice(nn.Module):
    """A hop of sound -> the change of the frame LOOKAHEAD samples before its end, and the states: the frozen module.
    See export.artifact.manifest.Manifest."""

    def __init__(self, network: FilterNetwork, speaker: RunningSpeaker) -> None:
        super().__init__()
        self.spectra = Spectra()
        self.network, self.speaker = network, speaker

    def forward(self, sound: Tensor, lf0: Tensor, source: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """sound: (1, HOP); lf0: (1, 1); `states`: those of STATES, the preceding sound, and the network's memory."""
        running, before, past = states[: len(STATES)], states[len(STATES)], states[len(STATES) + 1 :]
        window_sound = torch.cat([before, sound], 1)
        memory = Memory(past)
        bands, level = self.spectra(window_sound[:, None])
        mcep, hidden = self.network.analysis(bands, level, memory)
        voiced = (lf0 > 0).to(lf0.dtype)
        frames = mcep.transpose(1, 2)
        normalized, running = self.speaker(frames, lf0, voiced, source, running)
        values = network_input(frames, normalized).transpose(1, 2)
        source_index = source.clamp(0, len(self.speaker.means) - 1)
        change = self.network.change(mcep, hidden, values, source_index, memory)
        pitch = self.network.pitch(normalized.values[..., 0]) * voiced
        return change.transpose(1, 2), pitch, *running, window_sound[:, HOP:], *memory.kept


def sound_windows(sound: Tensor, frames: int) -> Tensor:
    """(N, samples) from LOOKBACK before the first frame to LOOKAHEAD after the last -> (N, frames, WINDOW)."""
    windows = sound.unfold(-1, WINDOW, HOP)
    assert windows.shape[1] == frames
    return windows


def _decibels() -> Tensor:
    """(MCEPS, SHOWN): mel-cepstra times this are dB of the envelope at SHOWN frequencies, equally spaced in mel."""
    shown = _log_power_at(np.linspace(_mel(0.0), _mel(SAMPLE_RATE / 2), SHOWN))
    return torch.from_numpy(shown.astype(np.float32) * 10.0 / float(np.log(10.0)))


def _log_power_at(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    """(MCEPS, frequencies): the contribution of each mel-cepstrum to the ln power there."""
    log_power = np.log(decode_envelope(np.eye(MCEPS), SAMPLE_RATE))
    bins = np.linspace(0.0, SAMPLE_RATE / 2, log_power.shape[1])
    return np.stack([np.interp(_hertz(mels), bins, row) for row in log_power])


def initial_states(network: FilterNetwork) -> dict[str, Tensor]:
    """The states of a FilteringVoice by name, with their initial values."""
    memory = Memory()
    with torch.no_grad():
        _, hidden = network.analysis(torch.zeros(1, BANDS, 1), torch.zeros(1, 1, 1), memory)
        nothing = torch.zeros(1, MCEPS, 1)
        network.change(nothing, hidden, nothing, torch.zeros(1, dtype=torch.int64), memory)
    states = {name: torch.zeros(1, width) for name, width in STATES.items()}
    states["before"] = torch.zeros(1, WINDOW - HOP)
    return states | {f"memory_{number}": torch.zeros_like(kept) for number, kept in enumerate(memory.kept)}


def _mel_bands() -> NDArray[np.float64]:
    """(bins, BANDS): triangles from the centre of the band before to that of the band after; each column sums to 1."""
    edges = _hertz(np.linspace(_mel(0.0), _mel(SAMPLE_RATE / 2), BANDS + 2))
    bins = np.arange(_DFT // 2 + 1) * SAMPLE_RATE / _DFT
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    rise, fall = (bins[:, None] - low) / (middle - low), (high - bins[:, None]) / (high - middle)
    triangles = np.maximum(np.minimum(rise, fall), 0.0)
    # The lowest bands are narrower than a bin.
    nearest = np.abs(bins[:, None] - middle).argmin(0)
    triangles[nearest, np.arange(BANDS)] = np.maximum(triangles[nearest, np.arange(BANDS)], 0.1)
    return np.asarray(triangles / triangles.sum(0))


def _mel(hertz: float) -> float:
    return float(1127.0 * np.log1p(hertz / 700.0))


def _hertz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(700.0 * np.expm1(mels / 1127.0))
