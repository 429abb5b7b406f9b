"""The one exception of media: a file or stream that is not what it was taken for."""

from __future__ import annotations


class BadMedia(Exception):
    """A file or stream that cannot be used; the message is one line that names it and says why."""


class NoStream(BadMedia):
    """It can be read, but has no picture, or no sound, where that was asked for."""
