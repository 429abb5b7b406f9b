"""What voice families are built of: layers, speaker statistics, frozen modules. Uses torch; may import features,
prepare and training."""
