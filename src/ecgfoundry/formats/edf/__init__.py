"""EDF, EDF+, BDF and BDF+."""
