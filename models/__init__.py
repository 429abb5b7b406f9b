"""Everything about training: features, preparation of data, families, and the one training loop."""
