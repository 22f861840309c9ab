"""Everything that is wrong with a manifest, with counts and examples, before a run."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.documents import JsonObject
from ecgfoundry.errors import EcgFoundryError, LeakageError
from ecgfoundry.leads import LIMB_LEADS
from ecgfoundry.manifest.fingerprints import fingerprint, similar_pairs
from ecgfoundry.manifest.rows import contradictions, spelled_in_several_ways
from ecgfoundry.manifest.table import Manifest, ManifestRow
from ecgfoundry.models.bundle import InputSpec

__all__ = [
    "Problem",
    "check_manifest",
    "raise_on_leak",
    "signal_hash",
    "signal_hashes",
]

EXAMPLES = 3
LARGE_MV = 20.0
"""Half the range of the 1st to 99th percentile above this is no surface ECG in mV: the largest
QRS complexes reach about 6 mV, so values in µV or raw counts are the likely reason (our choice)."""
SMALL_MV = 0.02
"""And below this: values in V, or divided by a gain twice (our choice)."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One kind of problem.

    Attributes
    ----------
    code : str
        Stable name.
    severity : {"leak", "error", "warning"}
        A leak stops every run; an error concerns recordings that are left out.
    message : str
        What is wrong.
    count : int
        How often.
    examples : tuple of str
        Records, at most three, with the reason.
    remedy : str
    """

    code: str
    severity: str
    message: str
    count: int
    examples: tuple[str, ...] = ()
    remedy: str = ""

    def to_dict(self) -> JsonObject:
        """Return the JSON form."""
        return {name: getattr(self, name) for name in self.__slots__} | {
            "examples": list(self.examples)
        }

    def __str__(self) -> str:
        shown = f" (for example {'; '.join(self.examples)})" if self.examples else ""
        remedy = f". {self.remedy}" if self.remedy else ""
        return f"{self.severity} [{self.code}]: {self.message}{shown}{remedy}"


def signal_hash(signal: NDArray[np.float32]) -> str:
    """Return the SHA-256 of the samples (leads, samples) in mV, as they were read."""
    digest = hashlib.sha256(repr(signal.shape).encode())
    digest.update(np.ascontiguousarray(signal, dtype=np.float32).tobytes())
    return digest.hexdigest()


@dataclass
class _Seen:
    """What opening the recordings showed."""

    hashes: dict[str, str] = field(default_factory=dict)  # record -> hash of its signal
    fingerprints: dict[str, int] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    large: dict[str, float] = field(default_factory=dict)
    small: dict[str, float] = field(default_factory=dict)
    lacking: dict[str, str] = field(default_factory=dict)


def check_manifest(
    manifest: Manifest,
    *,
    targets: Sequence[str] | None = None,
    model_input: InputSpec | None = None,
    open_files: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> list[Problem]:
    """Return every problem, the gravest first; an empty list is a sound manifest.

    Parameters
    ----------
    manifest : Manifest
    targets : sequence of str, optional
        Only these targets; all by default.
    model_input : InputSpec, optional
        Check the leads against this model.
    open_files : bool
        Read every recording: finds unreadable files, duplicated signals and unit mistakes.
    progress : callable (done, total), optional

    Notes
    -----
    Problems: ``patient-in-two-splits``, ``signal-in-two-splits`` (leaks); ``missing-file``,
    ``unreadable-file``, ``missing-leads``, ``missing-split``, ``nothing-to-learn`` (errors:
    training stops at the last two); ``duplicated-signal``,
    ``signal-of-two-patients``, ``no-patient``, ``constant-target``, ``unlabelled-target``,
    ``unlabelled-record``, ``contradicting-labels``, ``large-amplitude``, ``small-amplitude``,
    ``similar-signal-in-two-splits`` (warnings).
    """
    problems = [*split_problems(manifest), *_missing_split(manifest, targets)]
    problems += _target_problems(manifest, targets)
    seen = _look(manifest, model_input, open_files, progress)
    problems += _file_problems(seen, len(manifest))
    problems += duplicate_problems(manifest, seen.hashes)
    problems += contradiction_problems(manifest, seen.hashes, targets)
    problems += similar_problems(manifest, seen.fingerprints, seen.hashes)
    order = {"leak": 0, "error": 1, "warning": 2}
    return sorted(problems, key=lambda problem: order[problem.severity])


def raise_on_leak(problems: Iterable[Problem], path: Path) -> None:
    """Stop if one of the problems is a leak.

    Raises
    ------
    LeakageError
    """
    for problem in problems:
        if problem.severity == "leak":
            raise LeakageError(
                f"{problem.message} (for example {'; '.join(problem.examples)})",
                path=path,
                remedy=problem.remedy or "Nothing was trained or scored",
            )


def signal_hashes(manifest: Manifest) -> dict[str, str]:
    """Return record -> SHA-256 of its signal, for the recordings that can be read."""
    return _look(manifest, None, True, None).hashes


def split_problems(manifest: Manifest) -> list[Problem]:
    """Return what is wrong with patients and splits, without opening a file."""
    problems = []
    rows_of: dict[str, list[ManifestRow]] = defaultdict(list)
    for row in manifest.rows:
        if row.patient is not None:
            rows_of[row.patient].append(row)
    torn = []
    for own in rows_of.values():
        first = {row.split: row.record for row in reversed(own) if row.split is not None}
        if len(first) > 1:
            torn.append(" and ".join(f"{first[s]} in {s}" for s in sorted(first)))
    if torn:
        problems.append(
            Problem(
                "patient-in-two-splits", "leak",
                f"{len(torn)} patient(s) stand in more than one split", len(torn),
                tuple(f"of one person, {rows}" for rows in torn[:EXAMPLES]),
                "Split by patient; nothing was trained or scored",
            )
        )  # fmt: skip
    alike = spelled_in_several_ways(rows_of)
    if alike:
        problems.append(
            Problem(
                "patient-spelling", "warning",
                f"{len(alike)} patient(s) are written in more than one way and count as different "
                "people", len(alike),
                tuple(
                    " and ".join(rows_of[name][0].record for name in names[:2])
                    for names in alike[:EXAMPLES]
                ),
                "Write each in one way: 9012, 9012.0 and 09012 are three",
            )
        )  # fmt: skip
    nameless = [row.record for row in manifest.rows if row.patient is None]
    if nameless:
        problems.append(
            Problem(
                "no-patient", "warning",
                f"{len(nameless)} of {len(manifest)} rows name no patient and count as one each",
                len(nameless), tuple(nameless[:EXAMPLES]),
                "If one person has several recordings, name the column with --patient-column",
            )
        )  # fmt: skip
    return problems


def _missing_split(manifest: Manifest, targets: Sequence[str] | None) -> list[Problem]:
    """Return what training stops with; a table of test rows alone is one to measure on."""
    there = {row.split for row in manifest.rows}
    named = targets if targets is not None else manifest.target_names
    if not named or "train" not in there or "validation" in there:
        return []
    return [
        Problem(
            "missing-split", "error",
            "there is a train split, and no row of the split validation", 1, (),
            "Give all of train, validation and test, or no split at all; the test split never "
            "serves for stopping or choosing",
        )
    ]  # fmt: skip


def _target_problems(manifest: Manifest, targets: Sequence[str] | None) -> list[Problem]:
    names = tuple(targets) if targets is not None else manifest.target_names
    problems = []
    values = manifest.targets(names)
    training = [row.split in ("train", None) for row in manifest.rows]
    if names and any(training):
        varied = [len(np.unique(own[~np.isnan(own)])) > 1 for own in values[training].T]
        if not any(varied):
            problems.append(
                Problem(
                    "nothing-to-learn", "error",
                    f"{', '.join(names)}: fewer than two different values to learn from", 1, (),
                    "Add recordings or labels",
                )
            )  # fmt: skip
    for k, name in enumerate(names):
        known = values[:, k][~np.isnan(values[:, k])]
        if known.size == 0:
            problems.append(
                Problem("unlabelled-target", "warning", f"'{name}' has no value at all", 1)
            )
        elif (known == known[0]).all():
            problems.append(
                Problem(
                    "constant-target", "warning",
                    f"'{name}' is {known[0]:g} in all {known.size} labelled rows: nothing can be "
                    "learned or measured", 1,
                )
            )  # fmt: skip
        for split in ("train", "validation", "test"):
            rows = [i for i, row in enumerate(manifest.rows) if row.split == split]
            own = values[rows, k]
            own = own[~np.isnan(own)]
            if rows and known.size and (known != known[0]).any() and len(np.unique(own)) < 2:
                problems.append(
                    Problem(
                        "constant-target", "warning",
                        f"'{name}' has fewer than two different values in the split {split}", 1,
                    )
                )  # fmt: skip
    if names:
        bare = [
            row.record
            for row, own in zip(manifest.rows, values, strict=True)
            if np.isnan(own).all()
        ]
        if bare:
            problems.append(
                Problem(
                    "unlabelled-record", "warning",
                    f"{len(bare)} of {len(manifest)} rows have no target", len(bare),
                    tuple(bare[:EXAMPLES]),
                )
            )  # fmt: skip
    return problems


def _look(
    manifest: Manifest,
    model_input: InputSpec | None,
    open_files: bool,
    progress: Callable[[int, int], None] | None,
) -> _Seen:
    seen = _Seen()
    for k, row in enumerate(manifest.rows):
        path = Path(row.path)
        path = path if path.is_absolute() else manifest.folder / path
        if not path.is_file():
            seen.missing.append(row.record)
        elif open_files:
            _look_at(manifest, row, model_input, seen)
        if progress is not None:
            progress(k + 1, len(manifest))
    return seen


def _look_at(
    manifest: Manifest, row: ManifestRow, model_input: InputSpec | None, seen: _Seen
) -> None:
    try:
        recording = manifest.open(row)
    except EcgFoundryError as error:
        seen.unreadable[row.record] = error.problem
        return
    seen.hashes[row.record] = signal_hash(recording.signal)
    found = fingerprint(recording)
    if found is not None:
        seen.fingerprints[row.record] = found
    if row.standardized_as is None:
        size = _amplitude(recording.signal)
        if size > LARGE_MV:
            seen.large[row.record] = size
        elif 0.0 < size < SMALL_MV:
            seen.small[row.record] = size
    if model_input is not None:
        gone = missing_leads(recording.leads, model_input)
        if gone:
            seen.lacking[row.record] = ", ".join(gone)


def _amplitude(signal: NDArray[np.float32]) -> float:
    """Half the range from the 1st to the 99th percentile, of the largest lead, mV."""
    sizes = [
        float(np.subtract(*np.percentile(known, (99, 1)))) / 2
        for lead in signal
        if (known := lead[np.isfinite(lead)]).size
    ]
    return max(sizes, default=0.0)


def missing_leads(leads: Sequence[str], spec: InputSpec) -> tuple[str, ...]:
    """Return the leads that a model needs and a recording neither has nor lets derive."""
    if spec.lead_mode == "any-single":
        one = len(leads) == 1 or any(lead in leads for lead in ("I", "II", "MLII"))
        return () if one else spec.leads
    derivable = sum(lead in LIMB_LEADS for lead in leads) >= 2
    gone = tuple(
        lead for lead in spec.leads if lead not in leads and not (derivable and lead in LIMB_LEADS)
    )
    if spec.lead_mode == "any-subset":
        return gone if len(gone) == len(spec.leads) else ()
    return gone


def _file_problems(seen: _Seen, total: int) -> list[Problem]:
    def some(found: Mapping[str, Any], words: str = "{}") -> tuple[str, ...]:
        return tuple(
            f"{record}: {words.format(reason)}" for record, reason in list(found.items())[:EXAMPLES]
        )

    rows = [
        ("missing-file", "error", seen.missing, "file(s) are not there",
         tuple(seen.missing[:EXAMPLES]), "Check the folder that the paths are relative to"),
        ("unreadable-file", "error", seen.unreadable, "file(s) cannot be read",
         some(seen.unreadable), "They are left out of training"),
        ("missing-leads", "error", seen.lacking, "recording(s) lack leads that the model needs",
         some(seen.lacking), "Use a model that takes any subset of leads"),
        ("large-amplitude", "warning", seen.large,
         f"recording(s) exceed {LARGE_MV:g} mV: probably µV or raw counts read as mV",
         some(seen.large, "{:.0f} mV"), "State the unit in the files or beside them"),
        ("small-amplitude", "warning", seen.small,
         f"recording(s) stay under {SMALL_MV:g} mV: probably V, or a gain applied twice",
         some(seen.small, "{:.2g} mV"), "State the unit in the files or beside them"),
    ]  # fmt: skip
    return [
        Problem(code, severity, f"{len(found)} of {total} {words}", len(found), examples, remedy)
        for code, severity, found, words, examples, remedy in rows
        if found
    ]


def duplicate_problems(manifest: Manifest, hashes: Mapping[str, str]) -> list[Problem]:
    """Return what one signal under several records means."""
    rows_of: dict[str, list[ManifestRow]] = defaultdict(list)
    for row in manifest.rows:
        if row.record in hashes:
            rows_of[hashes[row.record]].append(row)
    groups = [rows for rows in rows_of.values() if len(rows) > 1]
    leaks = [r for r in groups if len({row.split for row in r if row.split is not None}) > 1]
    strangers = [r for r in groups if len({row.patient for row in r}) > 1 and r not in leaks]
    others = [r for r in groups if r not in leaks and r not in strangers]

    def examples(found: Sequence[list[ManifestRow]], with_split: bool) -> tuple[str, ...]:
        return tuple(
            " = ".join(f"{r.record} in {r.split}" if with_split else r.record for r in rows[:2])
            for rows in found[:EXAMPLES]
        )

    result = []
    if leaks:
        result.append(
            Problem(
                "signal-in-two-splits", "leak",
                f"{len(leaks)} signal(s) stand, sample for sample, in more than one split",
                len(leaks), examples(leaks, True),
                "Give duplicates one patient, or delete them; nothing was trained or scored",
            )
        )  # fmt: skip
    if strangers:
        result.append(
            Problem(
                "signal-of-two-patients", "warning",
                f"{len(strangers)} signal(s) belong to two patients: a split by patient would leak",
                len(strangers), examples(strangers, False), "Correct the patients",
            )
        )  # fmt: skip
    if others:
        result.append(
            Problem(
                "duplicated-signal", "warning",
                f"{len(others)} signal(s) occur more than once", len(others),
                examples(others, False), "They count more than others",
            )
        )  # fmt: skip
    return result


def contradiction_problems(
    manifest: Manifest, hashes: Mapping[str, str], targets: Sequence[str] | None = None
) -> list[Problem]:
    """Return which rows give one signal two values of a target.

    A signal without a hash is known by its file and the part of it.
    """
    rows_of: dict[object, list[ManifestRow]] = defaultdict(list)
    for row in manifest.rows:
        path = manifest.folder / row.path
        if row.record in hashes:
            rows_of[hashes[row.record]].append(row)
        elif path.is_file():
            rows_of[path.resolve(), row.index, row.start_s, row.duration_s].append(row)
    wanted = manifest.target_names if targets is None else targets
    found = contradictions(rows_of.values(), wanted)
    if not found:
        return []
    return [
        Problem(
            "contradicting-labels", "warning",
            f"{len(found)} time(s) rows with one signal have different values of a target",
            len(found), tuple(found[:EXAMPLES]),
            "Correct the wrong one; where two readers differ, agree on one value",
        )
    ]  # fmt: skip


def similar_problems(
    manifest: Manifest, fingerprints: Mapping[str, int], hashes: Mapping[str, str]
) -> list[Problem]:
    """Return what one ECG in two splits means that does not agree sample for sample."""
    of_split: dict[str, list[str]] = defaultdict(list)
    for row in manifest.rows:
        if row.split is not None and row.record in fingerprints:
            of_split[row.split].append(row.record)
    names = sorted(of_split)
    found = []
    for k, first in enumerate(names):
        for second in names[k + 1 :]:
            pairs = similar_pairs(
                [fingerprints[record] for record in of_split[first]],
                [fingerprints[record] for record in of_split[second]],
            )
            for i, j in pairs:
                a, b = of_split[first][i], of_split[second][j]
                if hashes.get(a) != hashes.get(b):
                    found.append(f"{a} in {first} = {b} in {second}")
    if not found:
        return []
    return [
        Problem(
            "similar-signal-in-two-splits", "warning",
            f"{len(found)} pair(s) of recordings in different splits are nearly the same signal "
            "(scaled, shifted or written with other rounding)", len(found), tuple(found[:EXAMPLES]),
            "Give the recordings of one ECG one patient, or delete the copies",
        )
    ]  # fmt: skip
