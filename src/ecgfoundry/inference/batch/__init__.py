"""Inference and embedding over many recordings."""
