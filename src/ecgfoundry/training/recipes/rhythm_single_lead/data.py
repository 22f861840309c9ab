"""The CinC 2017 recordings: reading, parts, and the two ways to standardized windows."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.io
from numpy.typing import NDArray

from ecgfoundry.preprocessing import standardize_window
from ecgfoundry.signals.filters import butterworth_sos, zero_phase_sos
from ecgfoundry.signals.resampling import resample_polyphase
from ecgfoundry.signals.windows import window_bounds

LABELS = ("N", "A", "O", "~")
"""The data set's labels in the order of the logits."""

ATRIAL = LABELS.index("A")

NAMES = ("normal", "atrial fibrillation", "other rhythm", "noisy")

SOURCE_RATE = 300.0  # Hz, of every recording of the data set

SOURCE_GAIN = 1000.0  # units per mV, of every recording of the data set

PREPROCESSING = "single-lead-rhythm@1"

# Its parameters, for the training crops.
SAMPLING_RATE = 200.0  # Hz

BAND = (0.5, 40.0)  # Hz

FILTER_ORDER = 3

CLIP = 15.0  # standard deviations

HOLDOUT_SHARE = 0.15

VALIDATION_SHARE = 0.10

NEWEST_LABELS = ("REFERENCE-v3.csv", "cinc2017_reference_v3.csv")
"""Names of the labels of version 3, beside the archive."""

Array = NDArray[np.float32]


def filtered(signal: Array, rate: float = SOURCE_RATE) -> Array:
    """First steps of the preprocessing, on a whole recording: 200 Hz and the band-pass.

    Training crops are cut from this and standardized one by one; everything that is measured goes
    through :func:`ecgfoundry.preprocessing.standardize_window` instead.

    Parameters
    ----------
    signal : ndarray
        (samples,) in mV.
    rate : float
        Its rate in Hz.

    Returns
    -------
    ndarray
        float32 (samples,) at 200 Hz.
    """
    x = resample_polyphase(signal[None], rate, SAMPLING_RATE).astype(np.float64)
    sections = butterworth_sos(FILTER_ORDER, BAND, "bandpass", SAMPLING_RATE)
    return zero_phase_sos(sections, x)[0].astype(np.float32)


def standardized(crop: Array, length: int) -> Array:
    """Last steps, on a training crop: z-score (ddof 0), clip, zeros to ``length`` samples."""
    deviation = crop.std()
    x = (crop - crop.mean()) / deviation if deviation > 1e-6 else np.zeros_like(crop)
    return np.pad(np.clip(x, -CLIP, CLIP), (0, length - len(x))).astype(np.float32)


def prepared(raw: Sequence[Array], window_s: float = 30.0) -> list[list[Array]]:
    """Standardized windows of each recording, exactly as the bundle sees them.

    ``window_s`` below 30 gives shorter windows, padded with zeros to 30 s.
    """
    return [
        [
            standardize_window(signal[None, start:stop], SOURCE_RATE, PREPROCESSING)[0]
            for start, stop in window_bounds(len(signal), SOURCE_RATE, window_s)
        ]
        for signal in raw
    ]


@dataclass(frozen=True)
class Recordings:
    """The data set in memory.

    Attributes
    ----------
    names : list of str
        Record names.
    classes : ndarray of int
        Index into ``LABELS``.
    raw : list of ndarray
        mV at 300 Hz.
    """

    names: list[str]
    classes: NDArray[np.int64]
    raw: list[Array]


def read(data_zip: Path) -> Recordings:
    """Read ``training2017.zip`` as PhysioNet publishes it (or a part of it)."""
    with zipfile.ZipFile(data_zip) as archive:
        members = {Path(name).name: name for name in archive.namelist()}
        if "REFERENCE.csv" not in members:
            raise FileNotFoundError(
                f"{data_zip}: no REFERENCE.csv inside; give the training2017.zip of the "
                "PhysioNet/CinC Challenge 2017"
            )
        reference = archive.read(members["REFERENCE.csv"]).decode().split()
        rows = sorted(line.split(",") for line in reference)
        raw = []
        for name, _ in rows:
            content = scipy.io.loadmat(io.BytesIO(archive.read(members[f"{name}.mat"])))["val"]
            raw.append((content[0] / SOURCE_GAIN).astype(np.float32))
    return Recordings(
        names=[name for name, _ in rows],
        classes=np.array([LABELS.index(label) for _, label in rows]),
        raw=raw,
    )


def revised(recordings: Recordings, reference: Path) -> NDArray[np.int64]:
    """Classes by another version of the labels, such as ``REFERENCE-v3.csv``.

    Parameters
    ----------
    recordings : Recordings
    reference : Path
        Lines ``name,label``; a recording that it does not name keeps its class.
    """
    lines = reference.read_text(encoding="utf-8").split()
    labels = dict(line.split(",")[:2] for line in lines if "," in line)
    return np.array([
        LABELS.index(labels[name]) if name in labels else c
        for name, c in zip(recordings.names, recordings.classes, strict=True)
    ])  # fmt: skip


def parts(recordings: Recordings, folds: int) -> list[str]:
    """Part of each recording: ``holdout``, ``validation`` or ``fold0``, ``fold1`` ...

    Within each class the recordings are sorted by the SHA-256 of their name. A training recording
    whose samples also occur in another part is marked ``duplicate`` and not used.
    """
    part = [""] * len(recordings.names)
    for label in range(len(LABELS)):
        members = [i for i, c in enumerate(recordings.classes) if c == label]
        members.sort(key=lambda i: _hash(f"ecgfoundry-cinc2017:{recordings.names[i]}"))
        holdout = round(HOLDOUT_SHARE * len(members))
        validation = holdout + round(VALIDATION_SHARE * len(members))
        for rank, i in enumerate(members):
            if rank < holdout:
                part[i] = "holdout"
            elif rank < validation:
                part[i] = "validation"
            else:
                part[i] = f"fold{rank % folds}"
    content = [hashlib.sha256(signal.tobytes()).hexdigest() for signal in recordings.raw]
    outside = {c for c, p in zip(content, part, strict=True) if not p.startswith("fold")}
    return [
        "duplicate" if p.startswith("fold") and c in outside else p
        for c, p in zip(content, part, strict=True)
    ]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Data:
    """The recordings in the forms that training and evaluation need.

    ``classes`` are labels version 2, by which everything is parted and measured; ``newest`` are
    those of version 3, which the second stage learns from.
    """

    names: list[str]
    classes: NDArray[np.int64]
    newest: NDArray[np.int64]
    part: NDArray[np.str_]
    raw: list[Array]
    filtered: list[Array]

    def rows(self, *wanted: str) -> NDArray[np.intp]:
        """Return the indices of the recordings in these parts."""
        return np.flatnonzero(np.isin(self.part, wanted))

    @property
    def learned(self) -> NDArray[np.intp]:
        """Indices of the training part."""
        return np.flatnonzero(np.char.startswith(self.part, "fold"))

    @property
    def left_out(self) -> NDArray[np.intp]:
        """Indices of validation and hold-out, which no measured network has learned from."""
        return self.rows("validation", "holdout")

    def windows(self, rows: Sequence[int] | NDArray[np.intp]) -> list[list[Array]]:
        """Standardized windows of these recordings."""
        return prepared([self.raw[i] for i in rows])


def load(data_zip: Path, folds: int) -> Data:
    """Read, part and filter the recordings.

    Raises
    ------
    FileNotFoundError
        The labels of version 3 are not beside the archive.
    """
    recordings = read(data_zip)
    newest = [data_zip.parent / name for name in NEWEST_LABELS]
    reference = next((path for path in newest if path.is_file()), None)
    if reference is None:
        raise FileNotFoundError(
            f"{data_zip.parent}: no labels version 3; put PhysioNet's REFERENCE-v3.csv of the "
            "PhysioNet/CinC Challenge 2017 there"
        )
    return Data(
        names=recordings.names,
        classes=recordings.classes,
        newest=revised(recordings, reference),
        part=np.array(parts(recordings, folds)),
        raw=recordings.raw,
        filtered=[filtered(x) for x in recordings.raw],
    )
