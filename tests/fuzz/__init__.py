"""Damaged files of every format in processes with limits: ``python -m tests.fuzz``."""
