"""Simulated ECG and layout-true synthetic data sets. Everything made here says so, everywhere."""
