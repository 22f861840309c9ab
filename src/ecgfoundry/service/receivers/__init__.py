"""Receivers: recordings that come in by the wires of a hospital.

Each gives what it receives to one function, which keeps it under the sender's owner and orders an
interpretation; what an owner keeps already is recognised by its content.
"""

from __future__ import annotations

from ecgfoundry.service.receivers.taking import Take, Taken

__all__ = ["Take", "Taken"]
