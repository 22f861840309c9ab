"""PhysioNet/CinC Challenges 2020 and 2021: seven sources, SNOMED CT codes in the headers.

Every ``.hea`` below the folder is a record. Its source follows from its name (the challenge's own
prefixes). Targets are the SNOMED CT codes of the comment line ``Dx``. Codes that the challenge
scores as one diagnosis get the first of the two (``EQUIVALENT``). A code that is not named counts
as absent; the sources did not use the same list of codes, so that an absence is weaker evidence
than a presence. ``HR`` records are PTB-XL: never an outside set for a model that learned from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ecgfoundry.datasets.base import Dataset, DatasetReport, Interval, Option
from ecgfoundry.errors import EcgFoundryError
from ecgfoundry.formats.base import DEFAULT_LIMITS
from ecgfoundry.formats.common.subjects import key_values, subject_from_comments
from ecgfoundry.formats.wfdb.header import WfdbHeader, read_header
from ecgfoundry.manifest import ManifestRow

__all__ = ["DATASET", "EQUIVALENT", "SCORED", "diagnosis_codes", "source_of"]

EQUIVALENT = {
    "733534002": "164909002",
    "59118001": "713427006",
    "63593006": "284470004",
    "17338001": "427172004",
}
"""Code -> the code that stands for both, in the scoring program of the 2021 challenge (the pair of
left bundle-branch blocks from the notes of its table dx_mapping_scored.csv)."""

SCORED = (
    "164889003",
    "164890007",
    "6374002",
    "426627000",
    "164909002",
    "713427006",
    "270492004",
    "713426002",
    "39732003",
    "445118002",
    "251146004",
    "698252002",
    "426783006",
    "284470004",
    "10370003",
    "365413008",
    "427172004",
    "164947007",
    "111975006",
    "164917005",
    "47665007",
    "427393009",
    "426177001",
    "427084000",
    "164934002",
    "59931005",
)
"""The 26 diagnoses that the 2021 challenge scores, after joining the equivalent ones."""

_NINGBO_FROM = 10647  # JS00001 to JS10646 are Chapman-Shaoxing, the rest Ningbo
_NAME = re.compile(r"^([A-Z]+)(\d+)$")
_SOURCES = {
    "A": "CPSC",
    "Q": "CPSC-Extra",
    "I": "StPetersburg",
    "S": "PTB",
    "HR": "PTB-XL",
    "E": "Georgia",
}
_CODE = re.compile(r"^\d{6,18}$")


def source_of(record: str) -> str | None:
    """Return the data set that a record of the challenge is from, None for a foreign name.

    Examples
    --------
    >>> source_of("HR00001"), source_of("JS20000"), source_of("100")
    ('PTB-XL', 'Ningbo', None)
    """
    match = _NAME.match(record)
    if match is None:
        return None
    if match[1] == "JS":
        return "Chapman-Shaoxing" if int(match[2]) < _NINGBO_FROM else "Ningbo"
    return _SOURCES.get(match[1])


def diagnosis_codes(header: WfdbHeader, *, join_equivalent: bool = True) -> tuple[str, ...] | None:
    """Return the SNOMED CT codes of a header, None when it has no such line."""
    text = key_values(header.comments).get("Dx")
    if text is None:
        return None
    codes = [code.strip() for code in text.split(",")]
    if join_equivalent:
        codes = [EQUIVALENT.get(code, code) for code in codes]
    return tuple(dict.fromkeys(code for code in codes if _CODE.match(code)))


def recognise(folder: Path) -> bool:
    """Whether one of the first headers below the folder is a record of the challenge."""
    for number, path in enumerate(folder.rglob("*.hea")):
        if source_of(path.stem) is not None:
            return True
        if number >= 100:
            break
    return False


def reading(
    folder: Path, report: DatasetReport, options: Mapping[str, str]
) -> Iterator[ManifestRow | Interval]:
    """Yield the records in the order of their paths; headers that cannot be read are counted."""
    wanted = options["sources"]
    join = options["equivalent"] == "joined"
    found: list[tuple[Path, tuple[str, ...], WfdbHeader]] = []
    seen: set[str] = set()
    for path in sorted(folder.rglob("*.hea")):
        report.found += 1
        source = source_of(path.stem)
        if source is None:
            report.skip("not a record of the challenge", path.stem)
            continue
        if (wanted == "outside-ptbxl" and source == "PTB-XL") or (
            wanted not in ("all", "outside-ptbxl") and source != wanted
        ):
            report.skip("of another source", path.stem)
            continue
        if path.stem in seen:
            report.skip("duplicate record", path.stem)
            continue
        try:
            header = read_header(path, DEFAULT_LIMITS)
        except EcgFoundryError as error:
            report.skip(f"header not readable ({error.code})", path.stem)
            continue
        codes = diagnosis_codes(header, join_equivalent=join)
        if codes is None:
            report.skip("header without diagnoses", path.stem)
            continue
        if not path.with_suffix(".mat").is_file():
            report.skip("signal file not there", path.stem)
            continue
        seen.add(path.stem)
        found.append((path, codes, header))
    report.note("The data set names no patients; a code that is not named counts as absent")
    names = (
        list(SCORED)
        if options["targets"] == "scored"
        else sorted({code for _, codes, _ in found for code in codes})
    )
    for path, codes, header in found:
        subject = subject_from_comments(header.comments)
        present = set(codes)
        yield ManifestRow(
            record=path.stem,
            path=path.relative_to(folder).as_posix(),
            age=subject.age,
            sex=subject.sex,
            site=source_of(path.stem),
            targets={name: 1.0 if name in present else 0.0 for name in names},
        )


DATASET = Dataset(
    name="cinc2021",
    title="PhysioNet/CinC Challenges 2020 and 2021, training sets",
    licence="CC BY 4.0",
    citation="Reyna MA, Sadr N, Perez Alday EA, et al. Will two do? Varying dimensions in "
    "electrocardiography: the PhysioNet/Computing in Cardiology Challenge 2021. CinC 2021",
    url="https://physionet.org/content/challenge-2021/1.0.3/",
    content="88,253 twelve-lead recordings of seven sources, 500 Hz (some 257 or 1000), SNOMED CT",
    folder="the records (.hea and .mat), in sub-folders or not",
    labels="snomed-ct",
    reading=reading,
    recognise=recognise,
    options={
        "targets": Option("all", "all codes, or the 26 scored ones", ("all", "scored")),
        "sources": Option(
            "all",
            "one source, or all that are not PTB-XL",
            ("all", "outside-ptbxl", *_SOURCES.values(), "Chapman-Shaoxing", "Ningbo"),
        ),
        "equivalent": Option("joined", "codes scored as one diagnosis", ("joined", "apart")),
    },
    large=True,
)
