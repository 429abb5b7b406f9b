"""The picture engine: from a camera to what the audience sees."""
