"""MATLAB files, version 4, 5 and 7.3."""
