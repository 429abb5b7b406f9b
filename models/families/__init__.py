"""The trainable models, one file each; models/training/registry.py names them. May import all other packages of
models."""
