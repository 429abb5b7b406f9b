"""The sound's parameters by their full names, as shows and OSC have them: the operator's and the cue's."""

STRIP_PARAMETERS = ("sound/input_gain", "sound/gate", "sound/gain", "sound/monitor", "sound/mute")
"""Of the channel strip: the operator's, through all cues and a restart of the engine."""

EASED_PARAMETERS = ("sound/pitch", "sound/formant")
"""Of a voice: they move over a cue's transition."""

CUE_PARAMETERS = (*EASED_PARAMETERS, "sound/source", "sound/room")
"""Of a voice: the cue's, back to their defaults with a cue that does not name them. `sound/source` is the number of a
speaker, with nobody between two; `sound/room` glides by itself."""
