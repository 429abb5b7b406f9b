"""Microphones and loudspeakers through PortAudio: finding them, their streams, their rings, and reopening them."""
