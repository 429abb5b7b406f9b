"""What the picture engine is started with. Picklable: it crosses into the engine's process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.features.types import Points

if TYPE_CHECKING:
    from live.picture.sources.source import Performer
    from live.show.show_file import Show


@dataclass(frozen=True, slots=True)
class PictureSettings:
    """All of it is fixed for one run of the engine, but for what commands change (see engine.py)."""

    camera: str = "demo"
    """A webcam's index or name, a file, a URL, `demo` or `none`."""
    performer: Callable[[], Performer] | None = None
    """Makes the stand-in performer that `demo` films; a function of a module, as it crosses into the engine's
    process."""
    provider: str = "auto"
    """Which ONNX Runtime provider performs; `auto` takes the best that can load."""
    hold_s: float = 1.0
    fade_s: float = 0.5
    """A lost face: how long its last picture stays, and how long it fades to the safe picture."""
    safe_picture: Path | None = None
    """None: black."""
    first_look: str = "safe"
    """On stage as soon as it is loaded, before any cue; a path, `bypass` or `safe`."""
    landmarks: Path | None = None
    """dlib's 68-point file; None: the installed one."""
    retarget: bool = True
    """Whether the performer's points are brought to the target's proportions before they are drawn."""
    neutral: Points | None = None
    """The performer's neutral points from a profile, in heights of the picture from its middle (see live.show.profile);
    None: estimated while running."""
    mirror: bool = False
    """Turns the camera's picture left for right, before anything else sees it."""
    latency_s: float = 0.0
    """How long after its capture a picture is handed on, so that lips and voice agree; 0: as fast as it can."""
    epoch: float | None = None
    period_s: float | None = None
    """For a movie that is the microphone too: when (by now()) its first picture's time is for the first time, and after
    how long it comes again. The sound engine is told the same. None: from when it is open on, and again at its end."""
    preview_height: int = 480

    @staticmethod
    def of_show(show: Show, camera: str, **others: Any) -> PictureSettings:
        """The settings that a show asks for; what performs is the StageManager's business."""
        return PictureSettings(
            camera=camera,
            hold_s=show.lost_face.hold_s,
            fade_s=show.lost_face.fade_s,
            safe_picture=show.safe_picture,
            **others,
        )
