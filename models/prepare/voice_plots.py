"""The page of plots beside a prepared voice: lengths of its sentences, F0, levels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from models.prepare.plotting import INK, KEPT, MARK, PAPER, QUIET, save_figure
from models.prepare.voice_data import Features, Sentence
from models.prepare.voice_facts import PreparedVoiceFacts, VoiceStatistics

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw(path: Path, facts: PreparedVoiceFacts, analysed: list[tuple[Sentence, Features]]) -> None:
    """Writes the PNG. Raises OSError."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=0.15, h_pad=0.15)
    figure = Figure(figsize=(11, 6.6), dpi=110, facecolor=PAPER, layout=layout)
    axes = figure.subplots(2, 2)
    rate = facts.sample_rate
    kept_s = sum(facts.seconds.values())
    figure.suptitle(
        f"{facts.name}: {len(analysed)} sentences, {kept_s:.0f} s", color=INK, fontsize=15, x=0.02, ha="left"
    )
    _lengths(axes[0, 0], np.array([len(s.sound) / rate for s, _ in analysed]))
    _f0(axes[0, 1], np.concatenate([f.lf0[f.voiced] for _, f in analysed]), facts.statistics)
    _levels(axes[1, 0], np.array([s.level_dbfs for s, _ in analysed]))
    _melody(axes[1, 1], [f for _, f in analysed])
    save_figure(figure, path)


def _lengths(axes: Axes, seconds: np.ndarray) -> None:
    axes.hist(seconds, bins=np.arange(0, max(12.5, seconds.max() + 0.5), 0.5).tolist(), color=KEPT)
    axes.locator_params(axis="y", integer=True)
    _style(axes, "length of the sentences", "seconds", "sentences")


def _f0(axes: Axes, lf0: np.ndarray, statistics: VoiceStatistics) -> None:
    low, high = np.exp(np.percentile(lf0, [0.2, 99.8]))
    axes.hist(np.exp(lf0), bins=np.geomspace(low * 0.95, high * 1.05, 60).tolist(), color=KEPT)
    axes.set_xscale("log")
    ticks = [hz for hz in (60, 80, 100, 125, 160, 200, 250, 320, 400, 500, 630) if low * 0.9 <= hz <= high * 1.1]
    axes.set_xticks(ticks, [str(hz) for hz in ticks])
    axes.set_xticks([], minor=True)
    mean, std = statistics.lf0_mean, statistics.lf0_std
    axes.axvline(float(np.exp(mean)), color=MARK, linewidth=2)
    axes.axvspan(float(np.exp(mean - std)), float(np.exp(mean + std)), color=MARK, alpha=0.12, linewidth=0)
    _style(axes, f"F0: mean {np.exp(mean):.0f} Hz, and one spread about it", "Hz", "frames of 5 ms")


def _levels(axes: Axes, dbfs: np.ndarray) -> None:
    axes.vlines(np.arange(1, len(dbfs) + 1), dbfs.min() - 3, dbfs, color=KEPT, linewidth=1.5, alpha=0.5)
    axes.plot(np.arange(1, len(dbfs) + 1), dbfs, "o", color=KEPT, markersize=4)
    axes.set_ylim(dbfs.min() - 3, max(dbfs.max() + 3, dbfs.min() + 12))
    axes.locator_params(axis="x", integer=True)
    _style(axes, "level as recorded, before it was evened out", "sentence", "dBFS")


def _melody(axes: Axes, features: list[Features]) -> None:
    """F0 over time of the three sentences of the most usual length."""
    lengths = np.array([len(f.lf0) for f in features])
    for number in np.argsort(np.abs(lengths - np.median(lengths)))[:3]:
        one = features[number]
        hz = np.where(one.voiced, np.exp(one.lf0), np.nan)
        axes.plot(np.arange(len(hz)) * 0.005, hz, linewidth=1.6, label=f"sentence {number + 1}")
    axes.set_prop_cycle(color=[KEPT, MARK, INK])
    for line, colour in zip(axes.lines, (KEPT, MARK, INK), strict=False):
        line.set_color(colour)
    axes.legend(frameon=False, fontsize=8, labelcolor=INK, loc="upper right")
    _style(axes, "how it speaks: F0 of three sentences", "seconds", "Hz")


def _style(axes: Axes, title: str, across: str, up: str) -> None:
    axes.set_facecolor(PAPER)
    axes.set_title(title, color=INK, fontsize=11, loc="left", pad=8)
    axes.set_xlabel(across, color=QUIET, fontsize=9)
    axes.set_ylabel(up, color=QUIET, fontsize=9)
    axes.tick_params(colors=QUIET, labelsize=8, length=0)
    axes.grid(axis="y", color=QUIET, alpha=0.2, linewidth=0.7)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(QUIET)
