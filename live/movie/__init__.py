"""Writing movies with their sound: recorded from the stage, or rendered offline."""
