"""The window's own commands and keys: one table, from which the menus make their actions and the help its page. Data,
and nothing of Qt. What a command does is wired in the window; the keys that drive the show stand in control/keys.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WindowCommand:
    """keys: as Qt's QKeySequence writes them. text: in its menu. meaning: on the page of keys, away from the menu."""

    name: str
    keys: tuple[str, ...]
    text: str
    meaning: str


WINDOW_COMMANDS: tuple[WindowCommand, ...] = (
    WindowCommand("lock middle", ("L",), "Follow the face in the middle", "Follow the face in the middle"),
    WindowCommand("lock left", ("Ctrl+Left",), "Follow the leftmost face", "Follow the leftmost face"),
    WindowCommand("lock right", ("Ctrl+Right",), "Follow the rightmost face", "Follow the rightmost face"),
    WindowCommand("mute", ("S",), "Mute the loudspeaker", "Mute the loudspeaker; again to be heard"),
    WindowCommand("fill screen", ("F11",), "Full screen on another screen", "Stage full screen on another screen"),
    WindowCommand("leave screen", ("Shift+F11",), "As a window", "Stage as a window"),
    WindowCommand("mirror", ("M",), "Mirror", "Mirror the stage"),
    WindowCommand("turn", ("R",), "A quarter further", "Rotate the stage by 90°"),
    WindowCommand("refit", ("F",), "The next way", "Fit: contain, cover, stretch"),
    WindowCommand("open", ("Ctrl+O",), "Open a show…", "Open a show"),
    WindowCommand("stop", ("Ctrl+Q",), "Stop the show", "Stop the show"),
    WindowCommand("help", ("F1", "?"), "Keys", "This page"),
)
LIST_KEYS: tuple[tuple[str, str], ...] = (
    ("Up, Down", "Move the selection"),
    ("Enter", "The selected cue or look is standby"),
    ("Tab", "From the cues to the looks, the faders, the log"),
    ("Left, Right", "Move the fader; Delete: back to its rest"),
)
"""What the lists do with keys by themselves, and what it means."""
