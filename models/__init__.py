"""What is learned: features, preparation, families, and the one training loop."""
