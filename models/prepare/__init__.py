"""Footage or recordings -> a data set, with a report of what was left out and why. Free of torch; may import
features."""
