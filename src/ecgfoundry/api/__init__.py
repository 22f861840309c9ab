"""What joins several packages into one step of a researcher's work; the command line calls these.

All of it is reached as ``ecgfoundry.NAME``; see ``docs/python.md``.
"""
