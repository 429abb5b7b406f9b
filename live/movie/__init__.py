"""Movies: recorded from the stage, or rendered offline, both with their sound."""
