"""Measure the machine and the performer: the top floor, which may see all the others."""
