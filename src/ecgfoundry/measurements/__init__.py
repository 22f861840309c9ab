"""Beats, waves, intervals, axes and amplitudes: arrays in, measured values out."""
