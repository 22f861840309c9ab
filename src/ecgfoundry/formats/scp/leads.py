"""The lead codes of SCP-ECG, which DICOM (coding schemes SCPECG and MDC) shares."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["SCP_LEADS"]

SCP_LEADS: Mapping[int, str] = {
    # EN 1064 / ISO 11073-91064, table of lead identifiers. DICOM CID 3001 writes the same numbers
    # as "5.6.3-9-1" (SCPECG) and "2:1" (MDC). 31 to 60 are the calibration pulses of 1 to 30.
    **dict(enumerate("I II V1 V2 V3 V4 V5 V6 V7 V2R V3R V4R V5R V6R V7R X Y Z CC5 CM5".split(), 1)),
    **dict(enumerate("LA RA LL fI fE fC fA fM fF fH".split(), 21)),
    **dict(enumerate("III aVR aVL aVF -aVR V8 V9 V8R V9R D A J".split(), 61)),
}
"""Code -> lead name; D, A and J are Nehb's leads."""
