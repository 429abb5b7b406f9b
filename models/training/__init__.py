"""The training loop, checkpoints, processes, and the interface of a family. Uses torch; may import features and
prepare."""
