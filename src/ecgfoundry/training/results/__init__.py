"""What a run leaves: calibration, card, bundle, folder."""
