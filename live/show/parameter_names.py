"""The full names of the sound's parameters, as in show files. Constants; any process."""

STRIP_PARAMETERS = ("sound/input_gain", "sound/gate", "sound/gain", "sound/monitor", "sound/mute")
"""Parameters of the channel strip: set by the operator; they last through all cues and restarts of the engine."""

EASED_PARAMETERS = ("sound/pitch", "sound/formant")
"""Parameters of a voice that are eased over a cue's transition."""

CUE_PARAMETERS = (*EASED_PARAMETERS, "sound/source", "sound/room")
"""Parameters of a voice: set by the cue, and back at their defaults with a cue that does not name them. `sound/source`
is the number of a speaker, so it is not eased; `sound/room` is smoothed where it is used."""
