"""What leaves the machine besides the stage window: one file an output, named in registry.py."""
