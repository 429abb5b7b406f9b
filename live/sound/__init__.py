"""The sound engine: microphone in, the voice of the cue, speaker out."""
