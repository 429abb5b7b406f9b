"""What an operator can do: one table of actions, and the controls (keys; later OSC, MIDI, HTTP) that perform them."""
