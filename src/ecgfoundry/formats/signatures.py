"""Known file formats that no reader here reads: named, so that the error can say what it found."""

from __future__ import annotations

import re

__all__ = ["foreign_format"]

_XML_ROOTS = {
    "AnnotatedECG": "an HL7 aECG (XML) file",
    "RestingECG": "a GE MUSE XML file",
    "restingecgdata": "a Philips Sierra XML file",
    "CardiologyXML": "a GE CardioSoft XML file",
}
_STARTS = (
    (b"0       ", "an EDF file"),
    (b"\xffBIOSEMI", "a BDF file"),
    (b"ISHNE1.0", "an ISHNE Holter file"),
    (b"ANN  1.0", "an ISHNE annotation file"),
    (b"MFR", "an MFER file"),
    (b"%PDF", "a PDF document"),
    (b"\x89PNG", "a picture (PNG)"),
    (b"\xff\xd8\xff", "a picture (JPEG)"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
)
_ROOT = re.compile(r"<([A-Za-z_][\w.-]*:)?([A-Za-z_][\w.-]*)[\s>/]")


def foreign_format(head: bytes) -> str | None:
    """Return a noun phrase for a known format that is not read here, or None.

    Parameters
    ----------
    head : bytes
        First 4096 bytes of the file.

    Notes
    -----
    Signatures: EDF (Kemp 1992: version field), ISHNE (Badilini 1998), DICOM PS3.10 7.1, SCP-ECG
    (EN 1064: "SCPECG" in the header of section 0). The readers are asked first, so that a format
    may stay in this list when a reader learns it.
    """
    for start, name in _STARTS:
        if head.startswith(start):
            return name
    if head[128:132] == b"DICM":
        return "a DICOM file"
    if head[16:22] == b"SCPECG":
        return "an SCP-ECG file"
    return _xml(head)


def _xml(head: bytes) -> str | None:
    encoding = "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "latin-1"
    text = head.decode(encoding, errors="replace").lstrip("\ufeff\xef\xbb\xbf \t\r\n")
    if not text.startswith("<"):
        return None
    for _, root in _ROOT.findall(text):
        if root in _XML_ROOTS:
            return _XML_ROOTS[root]
    return "an XML or HTML file"
