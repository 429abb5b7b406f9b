"""`guise evaluate voice` with several voices, such as the frozen checkpoints of one training: the metrics of each, and
a picture of them over the training steps. Runs in the calling thread; offline."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from calibration.evaluate.evaluate_voice import describe_voice, evaluate_one_voice, read_evaluation_data
from calibration.evaluate.figures import PrdcFigures, VoiceFigures
from calibration.measure.recordings import BadRecording
from models.features.media.mixdown import Channel
from models.features.types import Progress
from models.prepare.plotting import INK, KEPT, MARK, PAPER, QUIET, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOG_FROM_RATIO = 10
"""From this ratio of the last to the first training step on, the scale is logarithmic."""
_PanelKey = Literal[
    "precision", "recall", "density", "coverage", "similarity_target", "stoi", "mcd_db", "reconstruction_db"
]
PANELS: dict[_PanelKey, tuple[str, str]] = {
    "precision": ("precision", "made frames that the target could have said"),
    "recall": ("recall", "of the target's frames, reached"),
    "density": ("density", "made frames where the target's crowd"),
    "coverage": ("coverage", "of the target's frames, covered"),
    "similarity_target": ("similarity to the target", "cosine of the embeddings"),
    "stoi": ("words kept", "STOI"),
    "mcd_db": ("generation loss", "MCD to the target's own sentence, dB"),
    "reconstruction_db": ("reconstruction loss", "MCD of the target's own voice, dB"),
}


def evaluate_voices(
    voices: Sequence[str],
    speech: Sequence[Path],
    targets: Sequence[Path],
    out: Path,
    source: int,
    progress: Progress,
    channel: Channel = "auto",
    note: Callable[[Sequence[str]], None] | None = None,
) -> dict[str, VoiceFigures]:
    """The metrics of each voice by its name, in the order of their training steps where these are all different.

    One voice writes into OUT. Of several each writes into OUT/NAME, beside OUT/figures.json, which holds {"voices":
    {NAME: metrics}}, and OUT/voices.png. Of the recordings `channel` is listened to; `note` is told what is wrong with
    them. Raises BadModel, BadSound, ValueError, BadRecording, OSError.
    """
    names = {Path(voice).stem if voice.lower().endswith(".onnx") else voice: voice for voice in voices}
    if len(names) < len(voices):
        raise BadRecording("two voices are called alike, and would write into one folder: name them differently")
    _refuse_overwriting(speech, [out] if len(names) == 1 else [out / name for name in names])
    steps = {name: describe_voice(voice).steps for name, voice in names.items()}
    if _steps_differ(steps):
        names = dict(sorted(names.items(), key=lambda item: steps[item[0]] or 0))
    data = read_evaluation_data(speech, targets, channel)
    if note is not None:
        note(data.notes)
    if len(names) == 1:
        ((name, voice),) = names.items()
        return {name: evaluate_one_voice(voice, data, out, source, progress)}
    metrics_by_voice = {
        name: evaluate_one_voice(voice, data, out / name, source, progress) for name, voice in names.items()
    }
    (out / "figures.json").write_text(
        json.dumps({"voices": metrics_by_voice}, indent=1, ensure_ascii=False) + "\n", "utf-8", "backslashreplace"
    )
    plot(metrics_by_voice, out / "voices.png")
    return metrics_by_voice


def plot(metrics_by_voice: dict[str, VoiceFigures], path: Path) -> None:
    """Draws PANELS over the training steps, or over the names where the steps are not all different. Without matplotlib
    there is no picture. Raises OSError."""
    try:
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine
    except ModuleNotFoundError:
        return
    figure = Figure(figsize=(13, 6), dpi=110, facecolor=PAPER, layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1))
    for axes, (key, (title, unit)) in zip(figure.subplots(2, 4).flat, PANELS.items(), strict=True):
        _panel(axes, metrics_by_voice, key)
        axes.set_title(title, color=INK, loc="left", fontsize=11)
        axes.set_ylabel(unit, color=QUIET, fontsize=8)
    save_figure(figure, path)


def _panel(axes: Axes, metrics_by_voice: dict[str, VoiceFigures], key: _PanelKey) -> None:
    steps = {name: metrics["steps"] for name, metrics in metrics_by_voice.items()}
    by_steps = _steps_differ(steps)
    x_values = [float(steps[name] or 0) if by_steps else number for number, name in enumerate(metrics_by_voice)]
    points = [
        (x, value)
        for x, metrics in zip(x_values, metrics_by_voice.values(), strict=True)
        if (value := metrics[key]) is not None
    ]
    axes.plot([x for x, _ in points], [y for _, y in points], "o-" if by_steps else "o", color=KEPT)
    best = _best(next(iter(metrics_by_voice.values()))["prdc_of_target"], key)
    if best is not None:
        axes.axhline(best, color=MARK, linestyle="--", linewidth=1, label="the target's own")
        axes.legend(frameon=False, fontsize=8, labelcolor=QUIET)
    if by_steps:
        axes.set_xlabel("steps", color=QUIET, fontsize=8)
        if min(x_values) > 0 and max(x_values) > LOG_FROM_RATIO * min(x_values):
            # Kept checkpoints are further and further apart.
            axes.set_xscale("log")
    else:
        axes.set_xticks(x_values, list(metrics_by_voice), rotation=20, ha="right")
        axes.set_xlim(-0.5, len(metrics_by_voice) - 0.5)
    if key != "density" and not key.endswith("_db"):
        axes.set_ylim(0, 1.02)
    if not points:
        axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, color=QUIET, ha="center")
    _style(axes)


def _best(target: PrdcFigures | None, key: _PanelKey) -> float | None:
    """What the target's own recordings reach, where that is measured."""
    if target is not None and (key == "precision" or key == "recall" or key == "density" or key == "coverage"):
        return target[key]
    return None


def _style(axes: Axes) -> None:
    axes.tick_params(which="both", colors=QUIET, labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(QUIET)
    axes.set_facecolor(PAPER)


def _steps_differ(steps: dict[str, int | None]) -> bool:
    return None not in steps.values() and len(set(steps.values())) == len(steps) > 1


def _refuse_overwriting(speech: Sequence[Path], folders: Sequence[Path]) -> None:
    names = [path.stem for path in speech]
    for name in names:
        if names.count(name) > 1:
            raise BadRecording(f"two recordings are called {name}, and would write one file: name them differently")
    for path in speech:
        for folder in folders:
            if (folder / f"{path.stem}.wav").resolve() == path.resolve():
                raise BadRecording(f"{path} would be written over: name another folder")
