"""Acquisition filters: the words for them that every reader and every report uses.

``Recording.device`` states a high-pass, a low-pass and a notch filter under the keys of
:data:`ACQUISITION_FILTERS`, as "0.05 Hz" (several where leads differ), or as the words of the
source where it has no number ("none"). Other keys that speak of filters hold what a source says
in its own way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["ACQUISITION_FILTERS", "is_filter_key", "states_filters"]

ACQUISITION_FILTERS = ("highpass", "lowpass", "notch")
"""Keys of ``Recording.device``."""

_WORDS = ("filter", "highpass", "lowpass", "bandpass", "notch", "bandwidth")


def is_filter_key(key: str) -> bool:
    """Whether a key of ``Recording.device`` speaks of a filter, a pass band or a notch.

    Examples
    --------
    >>> is_filter_key("Low_Pass"), is_filter_key("model")
    (True, False)
    """
    joined = re.sub(r"[^a-z]", "", key.lower())
    return any(word in joined for word in _WORDS)


def states_filters(device: Mapping[str, str]) -> bool:
    """Whether the source of a recording says anything about the filters of its device."""
    return any(is_filter_key(key) and str(text).strip() for key, text in device.items())
