"""Remote and local controls: each only calls the StageManager."""
