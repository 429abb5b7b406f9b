"""Prepared folders as torch's data sets. May import features, prepare, training and voices."""
