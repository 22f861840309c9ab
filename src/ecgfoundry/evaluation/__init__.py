"""Evaluation: predictions or a bundle in; tables, intervals, controls and a report out."""
