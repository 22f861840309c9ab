"""Label maps: complete, consistent with each other, and applied without inventing negatives."""

from __future__ import annotations

import csv
import itertools
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgfoundry.errors import VocabularyError
from ecgfoundry.vocabularies import (
    LabelMap,
    MapRow,
    available_label_maps,
    load_label_map,
    load_vocabulary,
)
from ecgfoundry.vocabularies.label_maps import RELATIONS, SCORING, sctid_is_valid

MAPS = [
    (source, target) for source, targets in available_label_maps().items() for target in targets
]
REPORTS = ("12sl", "mimic-iv-ecg")
"""Systems whose statements ARE the 150, modifiers and comparisons included."""


@pytest.mark.parametrize(("source", "target"), MAPS)
def test_every_map_is_complete(source: str, target: str) -> None:
    label_map = load_label_map(source, target)
    names = set(load_vocabulary(target).names)
    seen = set()
    for row in label_map.rows:
        assert row.relation in RELATIONS
        assert row.evidence and row.source_name
        assert row.relation == "unmapped" or row.target in names, row
        assert (row.source_code, row.target) not in seen, row
        seen.add((row.source_code, row.target))
    for code in label_map.codes:
        relations = [row.relation for row in label_map.rows if row.source_code == code]
        assert "unmapped" not in relations or relations == ["unmapped"], code
        assert relations.count("exact") <= 1, code


@pytest.mark.parametrize("source", available_label_maps())
def test_a_file_is_a_plain_table_with_the_same_codes_for_every_vocabulary(source: str) -> None:
    path = files("ecgfoundry.vocabularies") / "maps" / f"{source}.csv"
    rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
    assert rows[0] == [
        "source_code", "source_name", "target_vocabulary", "target", "relation", "evidence", "note",
    ]  # fmt: skip
    assert all(len(row) == 7 and all(cell == cell.strip() for cell in row) for row in rows)
    codes = [load_label_map(source, target).codes for target in available_label_maps()[source]]
    assert all(found == codes[0] for found in codes)


def test_snomed_identifiers_have_the_right_check_digit() -> None:
    for target in available_label_maps()["snomed-ct"]:
        for code in load_label_map("snomed-ct", target).codes:
            assert sctid_is_valid(code), code
    for name in ("ecgfounder-150", "cinc2017-rhythm", "code-6", "ptbxl-diagnosis"):
        for item in load_vocabulary(name).targets:
            code = item.codes.get("SNOMED CT")
            assert code is None or sctid_is_valid(code), item


@settings(max_examples=40)
@given(st.integers(10**5, 10**9), st.integers(0, 8), st.integers(1, 9))
def test_the_check_digit_finds_every_single_error(stem: int, place: int, change: int) -> None:
    valid = [f"{stem}{digit}" for digit in range(10) if sctid_is_valid(f"{stem}{digit}")]
    assert len(valid) == 1  # exactly one check digit fits
    digits = list(valid[0])
    place %= len(digits)
    digits[place] = str((int(digits[place]) + change) % 10)
    if digits[0] != "0":
        assert not sctid_is_valid("".join(digits))


def test_modifiers_and_comparisons_are_never_a_target_across_vocabularies() -> None:
    dependent = {t.name for t in load_vocabulary("ecgfounder-150").targets if not t.standalone}
    for source, targets in available_label_maps().items():
        if "ecgfounder-150" in targets and source not in REPORTS:
            assert not {r.target for r in load_label_map(source, "ecgfounder-150").rows} & dependent


def test_codes_of_the_vocabularies_map_to_themselves() -> None:
    """A target's own SNOMED CT code must lead to it, unless it is only a modifier."""
    for name in ("cinc2017-rhythm", "code-6", "ecgfounder-150", "ptbxl-diagnosis"):
        label_map = load_label_map("snomed-ct", name)
        for target in load_vocabulary(name).targets:
            code = target.codes.get("SNOMED CT")
            if code is None or not target.standalone:
                continue
            related = {row.target for row in label_map.rows if row.source_code == code}
            assert target.name in related or "code is that of" in target.caveat or code in (
                "10370003",  # pacing rhythm: several kinds share it
                "164934002",
                "427172004",
            ), (name, target.name)  # fmt: skip


def test_chains_agree_with_the_direct_map() -> None:
    """What scores by way of a third vocabulary must not be contradicted by the direct map.

    Exactly equal statements of two systems must have the same scoring targets in a third, up to
    reviewed differences: the direct map may leave a target open, but never deny what both say.
    """
    maps = available_label_maps()
    checked = 0
    for source, middle in itertools.product(maps, ("scp-ecg", "code-6")):
        if middle not in maps[source]:
            continue
        step = load_label_map(source, middle)
        for target in sorted(set(maps[source]) & set(maps[middle])):
            direct, second = load_label_map(source, target), load_label_map(middle, target)
            for row in step.rows:
                if row.relation != "exact":
                    continue
                chained = {
                    r.target for r in second.rows
                    if r.source_code == row.target and r.relation in SCORING
                }  # fmt: skip
                said = {
                    r.target: r.relation for r in direct.rows if r.source_code == row.source_code
                }
                for name in chained:
                    checked += 1
                    assert name in said, (source, row.source_code, middle, row.target, name)
                scoring = {n for n, relation in said.items() if relation in SCORING}
                for name in scoring - chained:
                    there = {r.target for r in second.rows if r.source_code == row.target}
                    assert name in there, (source, row.source_code, middle, row.target, name)
    assert checked > 100


@pytest.mark.parametrize(("source", "target"), MAPS)
def test_relations_have_no_cycles(source: str, target: str) -> None:
    """Narrower is a strict order: a code cannot be both wider and narrower than one target, and a
    map composed with its reverse must lead nowhere but to the same or a wider statement."""
    label_map = load_label_map(source, target)
    for row in label_map.rows:
        others = {
            r.relation
            for r in label_map.rows
            if (r.source_code, r.target) == (row.source_code, row.target)
        }
        assert others == {row.relation}
    back = label_map.reversed()
    assert back.reversed().scoring == label_map.scoring
    exact = {r.source_code: r.target for r in label_map.rows if r.relation == "exact"}
    returned = {(r.source_code, r.target) for r in back.rows if r.relation == "exact"}
    assert {(name, code) for code, name in exact.items()} == returned


@pytest.mark.parametrize(
    ("source", "codes", "present", "left_open"),
    [
        # SNOMED CT (Challenges 2020 and 2021): codes as in dx_mapping_scored.csv and _unscored.csv.
        ("snomed-ct", ["164889003"], ["ATRIAL FIBRILLATION"], []),
        ("snomed-ct", ["426783006"], ["SINUS RHYTHM"], []),  # NORM: see below
        ("snomed-ct", ["270492004"], ["1AVB", "CD"], []),
        ("snomed-ct", ["713426002"], ["CD", "INCOMPLETE RIGHT BUNDLE BRANCH BLOCK"], []),
        ("snomed-ct", ["713427006"], ["CD", "RIGHT BUNDLE BRANCH BLOCK"], []),
        ("snomed-ct", ["164909002"], ["CD", "LEFT BUNDLE BRANCH BLOCK"], []),
        ("snomed-ct", ["445118002"], ["CD", "LEFT ANTERIOR FASCICULAR BLOCK"], []),
        ("snomed-ct", ["164873001"], ["HYP", "LEFT VENTRICULAR HYPERTROPHY"], []),
        ("snomed-ct", ["284470004"], ["PREMATURE ATRIAL COMPLEXES"], []),
        (
            "snomed-ct", ["6374002"], ["CD"],
            ["LEFT BUNDLE BRANCH BLOCK", "RIGHT BUNDLE BRANCH BLOCK"],
        ),
        # PTB-XL: the statement itself, and its superclass by scp_statements.csv.
        ("scp-ecg", ["IMI"], ["INFERIOR INFARCT", "MI"], []),
        ("scp-ecg", ["ILMI"], ["MI"], ["INFERIOR INFARCT"]),
        ("scp-ecg", ["QWAVE"], ["QWAVE"], ["MI"]),
        ("scp-ecg", ["NORM", "SR"], ["NORM", "SINUS RHYTHM"], []),
        ("scp-ecg", ["ISCAL", "LOWT"], ["ISCAL", "LOWT", "STTC"], []),
        # SPH: AHA/ACC/HRS statements 50 (atrial fibrillation), 106 (complete RBBB), 161 (inferior).
        ("aha", ["50", "106"], ["ATRIAL FIBRILLATION", "CD", "RIGHT BUNDLE BRANCH BLOCK"], []),
        ("aha", ["21"], ["SINUS TACHYCARDIA"], ["NORM"]),
        ("aha", ["161"], ["INFERIOR INFARCT", "MI"], []),
        ("cpsc2018", ["PAC"], ["PREMATURE ATRIAL COMPLEXES"], []),
        ("cpsc2018", ["STD"], ["STD_"], []),
        ("code-6", ["1dAVb", "ST"], ["1AVB", "CD", "SINUS TACHYCARDIA"], []),
        # LUDB has no map to SCP-ECG: its statements come by way of the 150.
        ("ludb", ["scar formation: inferior wall"], ["INFERIOR INFARCT", "MI"], []),
        ("ludb", ["irregular sinus rhythm"], ["SINUS RHYTHM"], []),
    ],
)  # fmt: skip
def test_superclasses_and_statements_together(
    source: str, codes: list[str], present: list[str], left_open: list[str]
) -> None:
    label_map = load_label_map(source, "ptbxl-diagnosis")
    answers = label_map.apply(dict.fromkeys(label_map.codes, 0.0) | dict.fromkeys(codes, 1.0))
    assert sorted(name for name, value in answers.items() if value == 1.0) == present
    assert sorted(name for name, value in answers.items() if value is None) == left_open


def test_the_codes_of_a_challenge_lead_to_nineteen_of_twenty_five() -> None:
    """No SNOMED CT code of the Challenges makes one of these present, so none gets a column."""
    targets = set(load_vocabulary("ptbxl-diagnosis").names)
    assert targets - set(load_label_map("snomed-ct", "ptbxl-diagnosis").scoring) == {
        "NORM", "ANTEROSEPTAL INFARCT", "INFERIOR INFARCT", "ISCAL", "NDT", "LOWT",
    }  # fmt: skip
    assert set(load_label_map("scp-ecg", "ptbxl-diagnosis").scoring) == targets
    assert [source for source, target in MAPS if target == "ptbxl-diagnosis"] == [
        "aha", "code-6", "cpsc2018", "ludb", "scp-ecg", "snomed-ct",
    ]  # fmt: skip


def test_superclasses_exclude_what_ptbxl_itself_excludes() -> None:
    """The published table: 44 diagnostic statements in five classes, the others in none."""
    label_map = load_label_map("scp-ecg", "ptbxl-superclass")
    sizes = {target: len(codes) for target, codes in label_map.scoring.items()}
    assert sizes == {"NORM": 1, "MI": 14, "STTC": 13, "CD": 11, "HYP": 5}
    vocabulary = load_vocabulary("scp-ecg")
    assert len(vocabulary) == 71 and set(vocabulary.names) == label_map.codes


def test_applying_never_invents_a_negative() -> None:
    label_map = load_label_map("aha", "ptbxl-superclass")
    values: dict[str, float | None] = dict.fromkeys(("1", "22", "104", "145", "160"), 0.0)
    clean = label_map.apply(values)
    assert clean == {"NORM": 0.0, "CD": 0.0, "MI": 0.0}  # 145 alone cannot make STTC present
    assert label_map.apply(values | {"104": 1.0})["CD"] == 1.0
    assert label_map.apply(values | {"104": None})["CD"] is None
    assert label_map.apply(values | {"22": 1.0})["NORM"] is None  # PTB-XL may call it normal
    assert label_map.apply(values | {"22": 1.0, "1": 1.0})["NORM"] == 1.0
    with_change = values | {"147": 0.0, "145": 1.0}
    assert label_map.apply(with_change)["STTC"] is None
    assert label_map.apply(with_change | {"147": 1.0})["STTC"] == 1.0
    assert label_map.apply({}) == {}
    assert label_map.unreviewed({"104", "9999"}) == ("9999",)


def test_damaged_rows_and_unknown_maps_are_refused() -> None:
    with pytest.raises(VocabularyError, match="unknown relation 'same'"):
        MapRow("1", "one", "v", "t", "same", "e")
    with pytest.raises(VocabularyError, match="without a reason"):
        MapRow("1", "one", "v", "", "unmapped", "e")
    with pytest.raises(VocabularyError, match="is exact and has the target ''"):
        MapRow("1", "one", "v", "", "exact", "e")
    with pytest.raises(VocabularyError, match="There are: 12sl to ecgfounder-150"):
        load_label_map("icd-10", "ecgfounder-150")
    turned = LabelMap("a", "b", (MapRow("x", "x", "b", "y", "narrower", "e"),)).reversed()
    assert turned.rows[0].relation == "broader" and turned.scoring == {}


def test_the_wording_of_the_golden_names_is_covered_by_12sl(fixtures: Path) -> None:
    """Every one of the 150 is a whole statement of the program that they were made from."""
    label_map = load_label_map("12sl", "ecgfounder-150")
    lines = (fixtures / "golden" / "ecgfounder_150_names.txt").read_text().splitlines()
    published = {line for line in lines if not line.startswith("#")}
    assert set(label_map.scoring) == published

    def plain(text: str) -> str:
        return " ".join(text.upper().translate(str.maketrans("", "", "()?,*")).split())

    exact = [row for row in label_map.rows if row.relation == "exact" and not row.note]
    same = [row for row in exact if plain(row.source_name) == plain(row.target)]
    assert len(same) >= 155
    assert {row.source_code for row in exact} - {row.source_code for row in same} == {"281", "441"}
