"""The sources of frames for the picture engine: one file a kind, listed in registry.py."""
