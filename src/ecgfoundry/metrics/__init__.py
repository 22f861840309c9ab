"""Point metrics, intervals and calibrators: arrays in, numbers out."""
