"""The keys of a show file, as they are checked. docs/show-file.md's tables are made from these. Any process."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ShowKey:
    """One key of a table. default: as the documentation words it; "" for a key that must be there."""

    name: str
    expected: str
    default: str
    meaning: str


SHOW_KEYS = (
    ShowKey("name", "text", "the file's name", "shown to the operator"),
    ShowKey("safe_picture", "a picture file", "black", "what the audience sees when there is nothing right to show"),
    ShowKey("lost_face", "a table", "{ hold_s = 1.0, fade_s = 0.5 }", "what happens when the face is lost"),
    ShowKey("sound_miss", '"dry" or "silence"', '"dry"', "played for a block that a voice did not finish in time"),
    ShowKey(
        "sync",
        "true or false",
        "true",
        "whichever of picture and sound is ahead waits; false: each as fast as it can",
    ),
    ShowKey("loop", "true or false", "false", "the first cue follows the last"),
)
LOST_FACE_KEYS = (
    ShowKey("hold_s", "seconds", "1.0", "for so long the last picture stays"),
    ShowKey("fade_s", "seconds", "0.5", "in so long it then fades to the safe picture"),
)
CUE_KEYS = (
    ShowKey("name", "text", "", "differs from the names of the other cues"),
    ShowKey("look", '"bypass", "safe" or an .onnx file', "", "relative to the show's folder"),
    ShowKey("voice", "a preset or an .onnx file", '"bypass"', "relative to the show's folder"),
    ShowKey("transition_s", "seconds", "0.0", "the length of the dissolve; 0 cuts"),
    ShowKey("set", "a table of numbers", "{}", "parameters by their full names"),
    ShowKey("follow_s", "seconds", "never", "after so long the next cue follows by itself"),
    ShowKey(
        "frame",
        "true or false",
        "false",
        "the look may show what the camera sees round the face; else a look with a mask, or one that reads the frame, "
        "is refused",
    ),
)
