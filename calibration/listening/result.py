"""The result of a listening test: mean ranks with 95 % confidence intervals, as numbers and as a picture. Thread: the
calling one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibration.listening.trials import BadListeningTest, read_ranks
from models.prepare.plotting import INK, KEPT, PAPER, QUIET, save_figure

_RESAMPLES = 4000


@dataclass(frozen=True)
class ListeningResult:
    """`ranks`: system -> mean rank, low and high end of its 95 % interval; the best first."""

    listeners: int
    trials: int
    """Ranked, over all listeners."""
    ranks: dict[str, tuple[float, float, float]]


def read_result(folder: Path) -> ListeningResult:
    """The result of FOLDER/ranks.csv. Raises BadListeningTest.

    The intervals are percentiles of a bootstrap in two stages: listeners are drawn first, then trials of each, because
    one listener's rankings are not as many independent opinions as there are trials. A mean is over listeners, all with
    the same weight.
    """
    rows = read_ranks(folder)
    if not rows:
        raise BadListeningTest(f"nobody has ranked anything in {folder} yet")
    systems = sorted({row["system"] for row in rows})
    by_listener: dict[str, dict[str, dict[str, int]]] = {}
    for row in rows:
        by_listener.setdefault(row["listener"], {}).setdefault(row["trial"], {})[row["system"]] = int(row["rank"])
    ranks_by_listener = [
        np.array([[trial[system] for system in systems] for trial in trials.values()], np.float64)
        for trials in by_listener.values()
    ]
    means = np.mean([ranks.mean(0) for ranks in ranks_by_listener], axis=0)
    low, high = np.percentile(_bootstrap_means(ranks_by_listener), [2.5, 97.5], axis=0)
    ranks = {
        system: (float(means[i]), float(low[i]), float(high[i]))
        for i, system in sorted(enumerate(systems), key=lambda item: (means[item[0]], item[1]))
    }
    return ListeningResult(len(ranks_by_listener), sum(map(len, ranks_by_listener)), ranks)


def draw_result(result: ListeningResult, path: Path) -> None:
    """Writes the PNG. Raises BadListeningTest without matplotlib, OSError."""
    try:
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine
    except ModuleNotFoundError as error:
        raise BadListeningTest("the picture needs matplotlib: pip install 'guise[train]'") from error
    height = 1.8 + 0.55 * len(result.ranks)
    figure = Figure(figsize=(8, height), dpi=110, facecolor=PAPER, layout=ConstrainedLayoutEngine(w_pad=0.15))
    axes = figure.subplots()
    means, lows, highs = np.array(list(result.ranks.values())).T
    places = np.arange(len(means))
    axes.errorbar(means, places, xerr=[means - lows, highs - means], fmt="o", color=KEPT, capsize=5, markersize=8)
    axes.set_yticks(places, list(result.ranks), color=INK)
    axes.set_ylim(len(means) - 0.5, -0.5)
    axes.set_xlim(0.9, len(means) + 0.1)
    axes.set_xticks(range(1, len(means) + 1))
    axes.set_xlabel("mean rank (1 is the best), with 95 % confidence intervals", color=QUIET)
    axes.set_title(count_text(result), color=INK, loc="left")
    axes.grid(axis="x", color=QUIET, alpha=0.25)
    axes.tick_params(colors=QUIET, labelcolor=INK)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_facecolor(PAPER)
    save_figure(figure, path)


def count_text(result: ListeningResult) -> str:
    """How many listeners and trials the result comes from."""
    return f"{result.listeners} listener{'s' if result.listeners > 1 else ''}, {result.trials} trials ranked"


def _bootstrap_means(ranks_by_listener: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """(_RESAMPLES, systems) mean ranks; the same every time, so that the same result gives the same picture."""
    rng = np.random.default_rng(0)
    listeners = rng.integers(len(ranks_by_listener), size=(_RESAMPLES, len(ranks_by_listener)))
    means = np.zeros((_RESAMPLES, len(ranks_by_listener), ranks_by_listener[0].shape[1]))
    for number, ranks in enumerate(ranks_by_listener):
        places = np.nonzero(listeners == number)
        trials = rng.integers(len(ranks), size=(len(places[0]), len(ranks)))
        means[places] = ranks[trials].mean(1)
    return np.asarray(means.mean(1))
