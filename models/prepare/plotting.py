"""What all plots share: their colours, and how a figure becomes a file. Runs in the calling thread."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, QUIET, PAPER = "#1f2d3d", "#8a97a6", "#fbfaf7"
KEPT, MARK = "#2f6f8f", "#c8553d"


def save_figure(figure: Figure, path: Path) -> None:
    """Writes the PNG. Raises OSError."""
    with warnings.catch_warnings():
        # A name in letters that matplotlib's own font lacks is drawn as boxes; the text beside the picture has it.
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        figure.savefig(path, format="png")
