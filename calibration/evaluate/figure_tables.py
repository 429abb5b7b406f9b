"""The figures of `guise evaluate` on the terminal: a table, and what does not fit into one. For the main thread."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table

from calibration.evaluate.figures import (
    ConversionFigures,
    ConversionKey,
    FaceFigures,
    LookFigures,
    PrdcFigures,
    PrdcKey,
    VoiceFigures,
    figure_text,
)


def _print(table: Table) -> None:
    Console(width=None if sys.stdout.isatty() else 140).print(table)


def print_voice(metrics: VoiceFigures, out: Path) -> None:
    """A row for each sentence and their median, and what was found of all of them. `out`: where the rest is."""
    columns: tuple[ConversionKey, ...] = (
        "similarity_target",
        "similarity_source",
        "stoi",
        "f0_error_cents",
        "f0_correlation",
        "mcd_db",
        "rtf",
    )
    heads = ("to the target", "to the source", "STOI", "F0 off, cents", "F0 correlation", "MCD, dB", "rtf")
    title = f"{metrics['voice']}, {metrics['latency_ms']:.1f} ms late"
    table = Table("spoken", *heads, title=title, title_justify="left")
    rows: dict[str, ConversionFigures] = {**metrics["clips"], "median": metrics}
    for name, clip in rows.items():
        table.add_row(name, *(figure_text(clip[column]) for column in columns))
    _print(table)
    if metrics["nearer_target"] is not None:
        print(f"nearer the target than the source: {metrics['nearer_target']} of {metrics['of']}")
    if metrics["coverage"] is not None:
        print(_prdc_text(metrics))
    if metrics["reconstruction_db"] is not None:
        print(f"lost on the target's own voice: {metrics['reconstruction_db']:.1f} dB")
    if metrics["missing"]:
        print(f"not measured: {metrics['missing']}")
    print(f"figures: {out / 'figures.json'}; sounds and spectrograms beside it")


def _prdc_text(metrics: VoiceFigures) -> str:
    fields: tuple[PrdcKey, ...] = ("precision", "recall", "density", "coverage")

    def values(of: PrdcFigures) -> str:
        return ", ".join(figure_text(of[name], 2) for name in fields)

    target_prdc = metrics["prdc_of_target"]
    of_target = "" if target_prdc is None else f" (the target's own: {values(target_prdc)})"
    return f"{', '.join(fields)}: {values(metrics)}{of_target}"


def print_face(metrics: FaceFigures, out: Path) -> None:
    """A row for each movie and all of them. `out`: where the rest is."""
    columns: tuple[Literal["identity", "expression", "ssim", "l1", "sharpness", "flicker"], ...]
    columns = ("identity", "expression", "ssim", "l1", "sharpness", "flicker")
    table = Table("driven by", *columns, "mouth opens", "eyes open", title=f"{metrics['look']}", title_justify="left")
    rows: dict[str, LookFigures] = {**metrics["clips"], "all": metrics}
    for name, clip in rows.items():
        gains = {part: clip["openings"][part]["gain"] for part in ("mouth", "left_eye", "right_eye")}
        eyes = [gain for part in ("left_eye", "right_eye") if (gain := gains[part]) is not None]
        table.add_row(
            name,
            *(figure_text(clip[column]) for column in columns),
            figure_text(gains["mouth"]),
            figure_text(sum(eyes) / len(eyes) if eyes else None),
        )
    _print(table)
    print(f"figures: {out / 'figures.json'}; movies and contact sheets beside it (they show real people)")
