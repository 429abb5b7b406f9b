"""Perform: the picture and sound engines, the StageManager that runs them, and the windows that show them."""
