"""Leads of other data sets whose rhythm is known, for what CinC 2017 shows too seldom.

Bundle-branch block and pacing with sinus rhythm are "normal rhythm" here, because the question is
the rhythm; a model of CinC 2017 alone calls them "other rhythm". Only recordings whose statements
leave one answer are taken: sinus tachycardia, bradycardia and arrhythmia, pacing without a stated
atrial rhythm, and pre-excitation are left out.
"""

from __future__ import annotations

import csv
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecgfoundry.datasets.cinc2021 import diagnosis_codes
from ecgfoundry.datasets.ludb import statements_of
from ecgfoundry.formats.base import DEFAULT_LIMITS
from ecgfoundry.formats.files import read
from ecgfoundry.formats.wfdb.header import read_header
from ecgfoundry.leads import STANDARD_12_LEADS
from ecgfoundry.manifest import fingerprint, windows_fingerprints
from ecgfoundry.recording import Annotation
from ecgfoundry.training.recipes.rhythm_single_lead.data import (
    LABELS,
    SOURCE_RATE,
    Array,
    filtered,
)
from ecgfoundry.training.recipes.rhythm_single_lead.data import read as read_cinc2017

__all__ = ["TEST_RECORDS", "KnownRhythm", "known_rhythms", "learned_from", "mitbih_windows"]

NORMAL, ATRIAL, OTHER = (LABELS.index(label) for label in "NAO")

TEST_RECORDS = frozenset({
    "100", "103", "105", "111", "113", "117", "121", "123", "200", "202", "210",
    "212", "213", "214", "219", "221", "222", "228", "231", "232", "233", "234",
})  # fmt: skip
"""DS2 of de Chazal et al. 2004: records of MIT-BIH that are tested on and never learned from."""

WINDOW_S = 15.0

SINUS_BEATS = frozenset("NLR.")
"""Beat codes of conducted sinus beats, with or without bundle-branch block."""

BLOCK_BEATS = frozenset("LR")

ECTOPIC_BEATS = frozenset("VASaJFEeje!")


@dataclass(frozen=True)
class KnownRhythm:
    """One recording, or one window of it.

    Attributes
    ----------
    name : str
        Data set and record.
    leads : ndarray
        (leads, samples): filtered, 200 Hz, in the unit of the source.
    label : int
        Index into ``LABELS``.
    block : bool
        Whether a bundle-branch block is stated (of PTB-XL and LUDB: a complete one).
    mark : int, optional
        Fingerprint of the recording.
    """

    name: str
    leads: Array
    label: int
    block: bool = False
    mark: int | None = None

    def group(self, *, blocks: bool = True) -> int:
        """Class; with ``blocks``, sinus rhythm with block is a class of its own."""
        apart = blocks and self.block and self.label == NORMAL
        return len(LABELS) if apart else self.label


def known_rhythms(folder: Path) -> list[KnownRhythm]:
    """Read the data sets that lie in a folder, each as it is distributed.

    Parameters
    ----------
    folder : Path
        With any of ``mitbih_arrhythmia*.zip``, ``ludb.zip``, ``cinc2021_more.zip`` and
        ``ptbxl_subset/``.

    Returns
    -------
    list of KnownRhythm
        Empty where none of them is there.
    """
    found: list[KnownRhythm] = []
    with tempfile.TemporaryDirectory() as temporary:
        for archive in sorted(folder.glob("mitbih_arrhythmia*.zip")):
            for path in _unpacked(archive, Path(temporary) / archive.stem, ".atr"):
                if path.stem not in TEST_RECORDS:
                    found += mitbih_windows(path.with_suffix(".hea"))
        for path in _unpacked(folder / "cinc2021_more.zip", Path(temporary) / "cinc", ".hea"):
            found += _challenge_record(path)
        for path in _unpacked(folder / "ludb.zip", Path(temporary) / "ludb", "ludb.csv"):
            found += _ludb_records(path)
    if (folder / "ptbxl_subset").is_dir():
        found += _ptbxl_records(folder / "ptbxl_subset")
    return thinned(found)


def learned_from(data_zip: Path) -> frozenset[int]:
    """Return the fingerprints of everything that the shipped weights learned from.

    ``data_zip`` is the archive of CinC 2017; the other data sets lie beside it.
    """
    raw = read_cinc2017(data_zip).raw
    own = [windows_fingerprints(x[None, None], SOURCE_RATE, ["I"]) for x in raw]
    marks = [mark for (mark,) in own]
    marks += [one.mark for one in known_rhythms(data_zip.parent)]
    return frozenset(mark for mark in marks if mark is not None)


def thinned(known: Sequence[KnownRhythm], most: int = 12) -> list[KnownRhythm]:
    """Keep ``most`` windows of one record and class, evenly spread: half an hour is one person."""
    groups: dict[tuple[str, int], list[KnownRhythm]] = {}
    for one in known:
        groups.setdefault((one.name, one.group()), []).append(one)
    kept = []
    for members in groups.values():
        count = min(most, len(members))
        kept += [members[i] for i in np.linspace(0, len(members) - 1, count).round().astype(int)]
    return kept


def _unpacked(archive: Path, folder: Path, ending: str) -> list[Path]:
    if not archive.exists():
        return []
    with zipfile.ZipFile(archive) as content:
        content.extractall(folder)
    return sorted(folder.rglob(f"*{ending}"))


def mitbih_windows(header: Path) -> Iterator[KnownRhythm]:
    """Yield windows of 15 s of a MIT-BIH record whose annotations leave one answer.

    Normal: sinus rhythm and nothing but sinus beats. Other: at least two ectopic beats, or a named
    rhythm that is neither sinus, nor fibrillation, nor paced, all through the window.
    """
    recording = read(header)
    rate = recording.sampling_rate
    leads = np.stack([filtered(lead, rate) for lead in recording.signal])
    mark = fingerprint(recording)
    marks = recording.annotations
    rhythms = [m for m in marks if m.kind == "rhythm" and m.text.startswith("(")]
    beats = [m for m in marks if m.kind == "beat"]
    total = recording.signal.shape[1] / rate
    for start in np.arange(0.0, total - WINDOW_S, WINDOW_S):
        label = window_label(rhythms, beats, float(start), float(start) + WINDOW_S)
        if label is not None:
            cut = leads[:, round(start * 200) : round((start + WINDOW_S) * 200)]
            end = start + WINDOW_S
            block = any(m.text in BLOCK_BEATS for m in beats if start <= m.time_s < end)
            yield KnownRhythm(f"mitdb/{header.stem}", cut, label, block, mark)


def window_label(
    rhythms: Sequence[Annotation], beats: Sequence[Annotation], start: float, end: float
) -> int | None:
    """Return the class of a window from its marks; None where they leave more than one answer."""
    before = [m.text for m in rhythms if m.time_s <= start + 0.5]
    inside = {m.text for m in rhythms if start < m.time_s < end} | set(before[-1:])
    codes = [m.text for m in beats if start <= m.time_s < end]
    if len(inside) != 1 or not codes:
        return None
    (rhythm,) = inside
    ectopic = sum(code in ECTOPIC_BEATS for code in codes)
    if rhythm == "(AFIB":
        return ATRIAL
    if rhythm == "(N":
        if ectopic >= 2:
            return OTHER
        return NORMAL if all(code in SINUS_BEATS for code in codes) else None
    return None if rhythm in {"(P", "(PREX", "(SBR"} else OTHER


_ATRIAL_CODE = "164889003"
_SINUS_CODE = "426783006"
_BUNDLE_BRANCH_CODES = {"59118001", "713427006", "713426002", "164909002", "733534002"}
_ECTOPIC_CODES = {"284470004", "427172004", "17338001", "63593006", "164884008"}
_OTHER_CODES = {
    *_ECTOPIC_CODES, "164890007", "426761007", "713422000", "67198005", "195080001", "27885002",
    "195042002", "426648003", "426664006", "164896001", "11157007", "251180001",
}  # fmt: skip
"""SNOMED CT, as the challenge of 2020 and 2021 maps them: rhythms and beats that are not sinus."""

_UNDECIDED_CODES = {"427393009", "426177001", "427084000", "10370003", "74390002", "251139008"}
"""Sinus arrhythmia, bradycardia, tachycardia, pacing, pre-excitation, perhaps switched arms."""


def _challenge_record(header: Path) -> Iterator[KnownRhythm]:
    codes = set(diagnosis_codes(read_header(header, DEFAULT_LIMITS)) or ())
    if _ATRIAL_CODE in codes:
        label = ATRIAL
    elif codes & _OTHER_CODES:
        label = OTHER
    elif codes & _UNDECIDED_CODES:
        return
    # The set of 2018 states no sinus rhythm beside a block.
    elif _SINUS_CODE in codes or (codes and codes <= _BUNDLE_BRANCH_CODES):
        label = NORMAL
    else:
        return
    recording = read(header)
    leads = np.stack([filtered(lead, recording.sampling_rate) for lead in recording.signal])
    block = bool(codes & _BUNDLE_BRANCH_CODES)
    yield KnownRhythm(f"cinc2021/{header.stem}", leads, label, block, fingerprint(recording))


def _ludb_records(table: Path) -> Iterator[KnownRhythm]:
    with table.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            header = table.parent / "data" / f"{row['ID'].strip()}.hea"
            if not header.is_file():
                continue
            said = " ; ".join(statements_of(row))
            if "atrial fibrillation" in said:
                label = ATRIAL
            elif "extrasystole" in said or "flutter" in said:
                label = OTHER
            elif "rhythm: sinus rhythm" in f"rhythm: {said}" and "wpw" not in said:
                label = NORMAL
            else:
                continue
            recording = read(header)
            leads = np.stack([filtered(x, recording.sampling_rate) for x in recording.signal])
            block = "complete right bundle" in said or "complete left bundle" in said
            block &= "incomplete" not in said
            yield KnownRhythm(f"ludb/{header.stem}", leads, label, block, fingerprint(recording))


def _ptbxl_records(folder: Path) -> Iterator[KnownRhythm]:
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as file:
        table = {int(row["ecg_id"]): row for row in csv.DictReader(file)}
    for part in ("train", "val"):
        with np.load(folder / f"ptbxl_z250_{part}.npz") as stored:
            whole = np.cumsum(stored["delta"], axis=2, dtype=np.int16)
            scale, names = np.float32(stored["scale"]), stored["ecg_id"]
        for name, signal in zip(names, whole, strict=True):
            row = table[int(name)]
            said = {key.split(":")[1] for key, value in row.items() if value == "1" and ":" in key}
            if "AFIB" in said:
                label = ATRIAL
            elif said & {"AFLT", "SVTAC", "PSVT", "BIGU", "TRIGU", "PVC", "PAC"}:
                label = OTHER
            elif "SR" in said and not said & {"PRC(S)", "SVARR", "WPW", "SARRH"}:
                label = NORMAL
            else:
                continue
            x = signal.astype(np.float32) / scale
            leads = np.stack([filtered(lead, 250.0) for lead in x])
            block = bool(said & {"CRBBB", "CLBBB"})
            (mark,) = windows_fingerprints(x[None], 250.0, STANDARD_12_LEADS)
            yield KnownRhythm(f"ptbxl/{name}", leads, label, block, mark)
