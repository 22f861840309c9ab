"""Reader of MATLAB files (v4, v5 to v7, and v7.3) that no WFDB header explains.

Layouts whose leads, unit and rate are known:

* **CPSC 2018** (v5): a structure ``ECG`` with ``data`` (12, n), ``sex`` and ``age``; 500 Hz, mV,
  leads I, II, III, aVR, aVL, aVF, V1-V6 (http://2018.icbeb.org/Challenge.html).
* **CPSC 2019** (v5): a column ``ecg`` of 5000 samples in a file called ``data_00001.mat``; one
  unnamed lead, 500 Hz, mV (http://2019.icbeb.org/Challenge.html).
* **fairseq-signals** (v5): ``feats`` (12, n) with ``curr_sample_rate``, as its preprocessing
  writes PhysioNet records and CODE-15 %; mV, the same twelve leads. (The CODE-15 % values are
  stated to be mV, but run about twice as high as those of other sets.)

Any other numeric matrix needs ``leads``, ``unit`` and ``sampling_rate`` from the caller. With a
WFDB header beside it (the PhysioNet challenges' ``val``) a ``.mat`` file is read by the WFDB
reader instead.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ecgfoundry.errors import FormatError, SignalError
from ecgfoundry.formats.arrays.stated import ArrayFile, Stated, with_options
from ecgfoundry.formats.base import FormatFile, Reader, ReadOptions
from ecgfoundry.formats.common.subjects import parse_age, parse_sex
from ecgfoundry.formats.matlab.files import is_matlab, load_variables
from ecgfoundry.formats.matlab.v5 import MatlabValue
from ecgfoundry.leads import STANDARD_12_LEADS, UNNAMED_ECG
from ecgfoundry.recording import Subject

__all__ = ["READER", "open_file", "sniff"]

_CPSC_RATE = 500.0
_CPSC2019_SAMPLES = 5000
_CPSC2019_NAME = re.compile(r"^data_\d{5}\.mat$")
_SIGNAL_NAMES = ("val", "data", "ecg", "ECG", "signal", "feats")


def sniff(path: Path, head: bytes) -> bool:
    """Whether the content starts like a MATLAB file."""
    return is_matlab(head)


def open_file(path: Path, options: ReadOptions, head: bytes | None) -> FormatFile:
    """Open a file, which is loaded as a whole; see :class:`Reader`."""
    array, stated = _load(path, options)
    return ArrayFile(array, stated, path=path, options=options, format=READER.name)


def _load(path: Path, options: ReadOptions) -> tuple[np.ndarray, Stated]:
    variables = load_variables(path, options.limits)
    for layout in (_cpsc2018, _cpsc2019, _fairseq):
        found = layout(path, variables)
        if found is not None:
            return found[0], with_options(found[1], options)
    return _bare_matrix(path, variables), with_options(Stated(), options)


def _cpsc2018(path: Path, variables: Mapping[str, MatlabValue]) -> tuple[np.ndarray, Stated] | None:
    structure = variables.get("ECG")
    if not isinstance(structure, dict):
        return None
    data = structure.get("data")
    if not isinstance(data, np.ndarray) or data.ndim != 2 or data.shape[0] != 12:
        return None
    subject = Subject(age=parse_age(_scalar(structure.get("age"))), sex=_sex(structure.get("sex")))
    header = {"layout": "CPSC 2018"}
    return data, Stated(STANDARD_12_LEADS, "mV", _CPSC_RATE, subject, header)


def _cpsc2019(path: Path, variables: Mapping[str, MatlabValue]) -> tuple[np.ndarray, Stated] | None:
    data = variables.get("ecg")
    if not isinstance(data, np.ndarray) or data.shape != (_CPSC2019_SAMPLES, 1):
        return None
    if len(variables) != 1 or not _CPSC2019_NAME.match(path.name):
        return None
    return data[:, 0], Stated((UNNAMED_ECG,), "mV", _CPSC_RATE, header={"layout": "CPSC 2019"})


def _fairseq(path: Path, variables: Mapping[str, MatlabValue]) -> tuple[np.ndarray, Stated] | None:
    data, rate = variables.get("feats"), _scalar(variables.get("curr_sample_rate"))
    if not isinstance(data, np.ndarray) or data.ndim != 2 or rate is None:
        return None
    leads = STANDARD_12_LEADS if data.shape[0] == 12 else None
    header = {"layout": "fairseq-signals"}
    original = _scalar(variables.get("org_sample_rate"))
    if original is not None:
        header["original_sampling_rate"] = f"{original:g}"
    return data, Stated(leads, "mV", rate, header=header)


def _bare_matrix(path: Path, variables: Mapping[str, MatlabValue]) -> np.ndarray:
    matrices = {
        name: value
        for name, value in variables.items()
        if isinstance(value, np.ndarray) and value.dtype.kind in "iuf" and value.size > 1
    }
    if not matrices:
        raise SignalError(
            f"the file holds no numeric matrix (variables: {', '.join(variables)[:200] or 'none'})",
            path=path,
        )
    usual = [name for name in _SIGNAL_NAMES if name in matrices]
    if len(matrices) > 1 and len(usual) != 1:
        raise FormatError(
            f"the file holds several matrices ({', '.join(matrices)[:200]}) and no known layout",
            path=path,
            remedy="Store the signal alone, as 'val' (leads, samples)",
        )
    matrix = matrices[usual[0]] if usual else next(iter(matrices.values()))
    return matrix[:, 0] if matrix.ndim == 2 and matrix.shape[1] == 1 else matrix


def _scalar(value: MatlabValue) -> float | None:
    if isinstance(value, np.ndarray) and value.size == 1 and value.dtype.kind in "iuf":
        return float(value.reshape(-1)[0])
    return None


def _sex(value: MatlabValue) -> str | None:
    return parse_sex(value) if isinstance(value, str) else None


READER = Reader(
    name="matlab",
    description="MATLAB .mat files (v4 to v7.3) without a WFDB header: CPSC, CODE-15 %, matrices",
    extensions=(".mat",),
    sniff=sniff,
    open=open_file,
)
