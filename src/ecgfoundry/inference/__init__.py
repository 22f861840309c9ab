"""Runtimes and the Predictor: from a recording to an interpretation."""
