"""The formats of this package, with what their content looks like at a glance.

A reader is imported only for a file that may be of its format, so that reading one record does not
load twenty readers. The signs here may fit too much, never too little: the reader itself decides.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

__all__ = ["BUILTIN", "Signs"]


@dataclass(frozen=True, slots=True)
class Signs:
    """Signs of a format; one that fits makes a file a candidate.

    Parameters
    ----------
    module : str
        Where its ``READER`` stands, below ``ecgfoundry.formats``.
    magic : tuple of (offset, bytes)
        Bytes at a place.
    endings : tuple of str
        File-name endings, lower case, as shell patterns.
    pattern : compiled pattern, optional
        Found somewhere in the first bytes.
    text : bool
        Any text.
    """

    module: str
    magic: tuple[tuple[int, bytes], ...] = ()
    endings: tuple[str, ...] = ()
    pattern: re.Pattern[bytes] | None = None
    text: bool = False

    def fit(self, path: Path, head: bytes) -> bool:
        """Whether a file may be of this format; ``head`` is its first bytes."""
        ending = path.suffix.lower()
        return (
            any(head.startswith(mark, offset) for offset, mark in self.magic)
            or any(fnmatch(ending, pattern) for pattern in self.endings)
            or (self.text and (b"\0" not in head or head[:2] in (b"\xff\xfe", b"\xfe\xff")))
            or (self.pattern is not None and self.pattern.search(head) is not None)
        )


def _element(name: str) -> re.Pattern[bytes]:
    """Return a pattern of an XML start tag, in any prefix and in 8 or 16 bits."""
    letters = b"\0?".join(re.escape(letter.encode()) for letter in name)
    return re.compile(rb"[<:]\0?" + letters + rb"[\s>/\0]")


_HDF5 = b"\x89HDF\r\n\x1a\n"

BUILTIN: Mapping[str, Signs] = {
    # In the order in which they are tried: a WFDB header beside a .mat file explains it better than
    # the .mat file itself, MATLAB v7.3 is also HDF5, and delimited text is the least specific.
    "wfdb": Signs(
        "wfdb.reader",
        endings=(".hea", ".dat", ".mat", ".xyz", ".ecg", ".flac", ".d*"),
        # "record 2 360 650000" or "record/12 2 …" on a line of its own
        pattern=re.compile(rb"^\s*[^\s/\\:#]+(?:/\d{1,9})?\s+\d{1,9}\s", re.MULTILINE),
    ),
    "matlab": Signs(
        "matlab.reader",
        magic=((0, b"MATLAB"),),
        endings=(".mat",),
        # Version 4 begins with an integer below 5000 in either byte order.
        pattern=re.compile(rb"\A(?:[\0-\xff][\0-\x13]\0\0|\0\0[\0-\x13])", re.DOTALL),
    ),
    "hdf5": Signs("arrays.hdf5", magic=tuple((at, _HDF5) for at in (0, 512, 1024, 2048))),
    "arrays": Signs("arrays.numpy", magic=((0, b"\x93NUMPY"), (0, b"PK\x03\x04"))),
    "zip": Signs("zip.reader", magic=((0, b"PK\x03\x04"), (0, b"PK\x05\x06"))),
    "edf": Signs("edf.reader", magic=((0, b"0       "), (0, b"\xffBIOSEMI"))),
    "dicom": Signs(
        "dicom.reader",
        magic=((128, b"DICM"),),
        endings=(".dcm",),
        # Without the preamble the first element of group 2 or 8 stands at the beginning.
        pattern=re.compile(rb"\A(?:[\x02\x08]\0|\0[\x02\x08]|DICM)"),
    ),
    "ishne": Signs("devices.ishne", magic=((0, b"ISHNE1.0"),)),
    "scp": Signs("scp.reader", magic=((16, b"SCPECG"), (8, b"\0\0")), endings=(".scp",)),
    "mfer": Signs("devices.mfer", magic=((2, b"MFR "),), endings=(".mwf", ".mfr", ".mfer")),
    "parquet": Signs("arrays.parquet", magic=((0, b"PAR1"),)),
    "hl7-aecg": Signs("xml.aecg", pattern=_element("AnnotatedECG")),
    "ge-muse": Signs("xml.ge_muse", pattern=_element("RestingECG")),
    "philips-sierra": Signs("xml.philips_sierra", pattern=_element("restingecgdata")),
    "mortara": Signs("xml.mortara", pattern=_element("ECG")),
    "ge-cardiosoft": Signs("xml.ge_cardiosoft", pattern=_element("CardiologyXML")),
    "kardia": Signs("devices.kardia", pattern=re.compile(rb"\A(?:\xef\xbb\xbf)?\s*\{")),
    "health-auto-export": Signs(
        "devices.health_auto_export", pattern=re.compile(rb"\A(?:\xef\xbb\xbf)?\s*\{")
    ),
    "apple-health": Signs("devices.apple_health", text=True),
    "polar": Signs("devices.polar", pattern=re.compile(rb"sensor timestamp", re.IGNORECASE)),
    "opensignals": Signs("devices.opensignals", pattern=re.compile(rb"# OpenSignals")),
    "delimited": Signs("delimited.reader", text=True),
}
