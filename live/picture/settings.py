"""What the picture engine is started with. Picklable: it is sent to the engine's process."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from models.features.types import Points

if TYPE_CHECKING:
    from live.picture.sources.source import Performer
    from live.show.show_file import Show


SLOWEST_LOOK_S = 0.3
"""On stage: ten times a frame's time. Three pictures a second are a slide show, and the engine answers to nothing
meanwhile; eight, on a slow machine, are still a performance."""


@dataclass(frozen=True, slots=True)
class PictureSettings:
    """Settings that are fixed for one run of the engine, except for what commands change (see engine.py)."""

    camera: str = "demo"
    """A webcam's index or name, a file, a URL, `demo` or `none`."""
    performer: Callable[[], Performer] | None = None
    """Creates the stand-in performer that `demo` films; a module-level function, as it is pickled for the engine's
    process."""
    provider: str = "auto"
    """Which ONNX Runtime provider runs the model; `auto` takes the best that can load."""
    hold_s: float = 1.0
    fade_s: float = 0.5
    """When the face is lost: how long its last picture is held, and how long the fade to the safe picture takes."""
    safe_picture: Path | None = None
    """None: black."""
    first_look: str = "safe"
    """On stage as soon as it is loaded, before any cue; a path, `bypass` or `safe`."""
    first_look_may_show_frame: bool = False
    """As Go.frame, for `first_look`."""
    slowest_look_s: float = math.inf
    """A look that needs longer for a picture is refused when it is loaded."""
    landmarks: Path | None = None
    """dlib's 68-point file; None: the installed one."""
    retarget: bool = True
    """Whether the performer's points are fitted to the target's proportions before they are drawn."""
    neutral: Points | None = None
    """The performer's neutral points from a profile, in picture heights from the picture's centre (see
    live.show.profile); None: estimated while running."""
    mirror: bool = False
    """Flips the camera's picture left to right before anything else sees it."""
    latency_s: float = 0.0
    """How long after its capture a picture is passed on, to keep picture and sound in sync; 0: as soon as it is
    ready."""
    epoch: float | None = None
    period_s: float | None = None
    """For a movie that is the microphone too: the time (by now()) at which its first picture is due for the first time,
    and the period after which it repeats. The sound engine gets the same values. None: it starts when opened, and again
    at its end."""
    preview_height: int = 480

    @staticmethod
    def of_show(
        show: Show, camera: str, provider: str = "auto", performer: Callable[[], Performer] | None = None
    ) -> PictureSettings:
        """The settings that a show asks for; which look performs is the StageManager's decision."""
        return PictureSettings(
            camera=camera,
            hold_s=show.lost_face.hold_s,
            fade_s=show.lost_face.fade_s,
            safe_picture=show.safe_picture,
            provider=provider,
            performer=performer,
            slowest_look_s=SLOWEST_LOOK_S,
        )
