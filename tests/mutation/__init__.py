"""Mutation testing: small wrong changes to the source, and whether the tests notice them.

``python -m tests.mutation signals metrics`` (``make mutants``); see ``docs/testing.md``.
"""
