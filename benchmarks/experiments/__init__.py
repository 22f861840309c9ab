"""Experiments whose tables stand in the documentation."""
