"""Measuring the performer, the machine and frozen models: the top layer, which may import all the others."""
