"""The lead codes of every format that has codes, as the standards print them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.formats.layouts import dicom_file, ishne_file, mfer_file, scp_file
from tests.formats.vendor_files import aecg_series, aecg_xml

from ecgfoundry.formats import read
from ecgfoundry.formats.scp.leads import SCP_LEADS
from ecgfoundry.leads import canonical_lead

# EN 1064 / ISO 11073-91064, table of lead identifiers; ISO 11073-10101 (MDC) and DICOM CID 3001
# have the same numbers. Checked against pydicom.sr (CID 3001) and ecgdatakit.
SCP = {
    1: "I", 2: "II", 3: "V1", 4: "V2", 5: "V3", 6: "V4", 7: "V5", 8: "V6", 9: "V7",
    10: "V2R", 11: "V3R", 12: "V4R", 13: "V5R", 14: "V6R", 15: "V7R", 16: "X", 17: "Y", 18: "Z",
    19: "CC5", 20: "CM5", 21: "LA", 22: "RA", 23: "LL", 24: "fI", 25: "fE", 26: "fC", 27: "fA",
    28: "fM", 29: "fF", 30: "fH", 61: "III", 62: "aVR", 63: "aVL", 64: "aVF", 65: "-aVR",
    66: "V8", 67: "V9", 68: "V8R", 69: "V9R", 70: "D", 71: "A", 72: "J",
}  # fmt: skip

# Badilini 1998 (Ann. Noninvasive Electrocardiol. 3:263), table of lead specifications; 1 is
# "generic bipolar" and 0 "unknown". Checked against ecgdatakit.
ISHNE = {
    2: "X", 3: "Y", 4: "Z", 5: "I", 6: "II", 7: "III", 8: "aVR", 9: "aVL", 10: "aVF",
    11: "V1", 12: "V2", 13: "V3", 14: "V4", 15: "V5", 16: "V6", 17: "ES", 18: "AS", 19: "AI",
}  # fmt: skip

# ISO 22077-1, waveform attributes: the numbers of SCP-ECG, without the Frank electrodes.
MFER = {code: name for code, name in SCP.items() if code not in range(21, 31) and code != 10}

# ISO 11073-10101 reference identifiers, as HL7 aECG writes them behind MDC_ECG_LEAD_.
AECG = {
    "I": "I", "II": "II", "III": "III", "AVR": "aVR", "AVL": "aVL", "AVF": "aVF",
    "V1": "V1", "V2": "V2", "V3": "V3", "V4": "V4", "V5": "V5", "V6": "V6", "V7": "V7", "V8": "V8",
    "V9": "V9", "V2R": "V2R", "V3R": "V3R", "V4R": "V4R", "V5R": "V5R", "V6R": "V6R", "V7R": "V7R",
    "X": "X", "Y": "Y", "Z": "Z", "CM5": "CM5", "AVRNEG": "AVRNEG",
}  # fmt: skip


def flat(leads: int) -> np.ndarray:
    return np.ones((leads, 30), np.int16)


def test_scp_codes(tmp_path: Path) -> None:
    assert dict(SCP_LEADS) == SCP
    path = scp_file(tmp_path / "x.scp", flat(42), codes=list(SCP), samples=30)
    assert read(path).leads == tuple(SCP.values())


def test_scp_codes_that_have_no_name_are_numbered(tmp_path: Path) -> None:
    path = scp_file(tmp_path / "x.scp", flat(3), codes=(0, 60, 73), samples=30)
    assert read(path).leads == ("lead 1 (code 0)", "lead 2 (code 60)", "lead 3 (code 73)")


@pytest.mark.parametrize(("scheme", "form"), [("SCPECG", "5.6.3-9-{}"), ("MDC", "2:{}")])
def test_dicom_codes(tmp_path: Path, scheme: str, form: str) -> None:
    pytest.importorskip("pydicom", reason="the writer of the test file is not installed")
    codes = [form.format(code) for code in SCP]
    path = dicom_file(tmp_path / "x.dcm", flat(42), codes=codes, scheme=scheme)
    assert read(path).leads == tuple(SCP.values())


def test_ishne_codes(tmp_path: Path) -> None:
    for codes in (list(ISHNE)[:12], list(ISHNE)[12:]):
        path = ishne_file(tmp_path / "x.ecg", flat(len(codes)), codes=codes, rate=100)
        assert read(path).leads == tuple(ISHNE[code] for code in codes)


def test_ishne_codes_that_are_no_lead_are_numbered(tmp_path: Path) -> None:
    path = ishne_file(tmp_path / "x.ecg", flat(6), codes=(0, 1, 20, -9, 5, 1), rate=100)
    names = ("channel 1", "bipolar 2", "channel 3", "channel 4", "I", "bipolar 6")
    assert read(path).leads == names
    twice = ishne_file(tmp_path / "y.ecg", flat(3), codes=(6, 5, 6), rate=100)
    assert read(twice).leads == ("II", "I", "II 3")


def test_mfer_codes(tmp_path: Path) -> None:
    pytest.importorskip("ecgdatakit", reason="the decoder 'ecgdatakit' is not installed")
    path = mfer_file(tmp_path / "x.mwf", flat(len(MFER)), codes=list(MFER), rate=100)
    assert read(path).leads == tuple(MFER.values())


def test_aecg_codes(tmp_path: Path) -> None:
    path = tmp_path / "x.xml"
    series = aecg_series({code: np.zeros(40) for code in AECG}, scale="5")
    path.write_bytes(aecg_xml(series))
    assert read(path).leads == tuple(AECG.values())


def test_an_inverted_lead_is_not_the_lead() -> None:
    """-aVR, of the Cabrera order (code 65 of SCP-ECG, MDC and MFER), has the other sign."""
    assert canonical_lead("-aVR") is None
    assert canonical_lead("aVR") == "aVR"
