"""Codes and what they mean, as literals of the published tables.

Sources: ``dx_mapping_scored.csv`` of the PhysioNet/CinC Challenge 2021; ``scp_statements.csv`` of
PTB-XL 1.0.3 (column ``diagnostic_class``); Ribeiro et al., Nature Communications 11:1760 (2020),
for CODE; the MIT-BIH Arrhythmia Database Directory for the rhythm marks; the SNOMED CT Release
File Specifications for the check digit.
"""

from __future__ import annotations

import pytest

from ecgfoundry.errors import VocabularyError
from ecgfoundry.vocabularies import (
    KINDS,
    VOCABULARIES,
    LabelMap,
    MapRow,
    Target,
    Vocabulary,
    available_label_maps,
    load_label_map,
    load_vocabulary,
    match_statement,
)
from ecgfoundry.vocabularies.label_maps import RELATIONS, SCORING, sctid_is_valid

# The scored diagnoses of the Challenge 2021: SNOMED CT code -> what it makes present among the
# statements of PTB-XL, the superclasses and the 150; empty where nothing follows.
SCORED = {
    "164889003": (["AFIB"], [], ["ATRIAL FIBRILLATION"]),
    "164890007": (["AFLT"], [], ["ATRIAL FLUTTER"]),
    "6374002": ([], ["CD"], []),  # bundle branch block, of which side is not said
    "733534002": (["CLBBB"], ["CD"], ["LEFT BUNDLE BRANCH BLOCK"]),
    "164909002": (["CLBBB"], ["CD"], ["LEFT BUNDLE BRANCH BLOCK"]),
    "713427006": (["CRBBB"], ["CD"], ["RIGHT BUNDLE BRANCH BLOCK"]),
    "59118001": (["CRBBB"], ["CD"], ["RIGHT BUNDLE BRANCH BLOCK"]),
    "270492004": (["1AVB"], ["CD"], []),
    "713426002": (["IRBBB"], ["CD"], ["INCOMPLETE RIGHT BUNDLE BRANCH BLOCK"]),
    "39732003": ([], [], ["LEFT AXIS DEVIATION"]),
    "445118002": (["LAFB"], ["CD"], ["LEFT ANTERIOR FASCICULAR BLOCK"]),
    "251146004": (["LVOLT"], [], ["LOW VOLTAGE QRS"]),
    "698252002": (["IVCD"], ["CD"], ["NONSPECIFIC INTRAVENTRICULAR CONDUCTION DELAY"]),
    "426783006": (["SR"], [], ["SINUS RHYTHM"]),
    "284470004": (["PAC"], [],
                  ["PREMATURE ATRIAL COMPLEXES", "PREMATURE SUPRAVENTRICULAR COMPLEXES"]),
    "63593006": ([], [], ["PREMATURE SUPRAVENTRICULAR COMPLEXES"]),
    "10370003": (["PACE"], [], []),
    "427172004": (["PVC"], [], ["PREMATURE VENTRICULAR COMPLEXES"]),
    "17338001": (["PVC"], [], ["PREMATURE VENTRICULAR COMPLEXES"]),
    "164947007": (["LPR"], [], []),
    "111975006": (["LNGQT"], ["STTC"], ["PROLONGED QT"]),
    "164917005": (["QWAVE"], [], []),
    "47665007": ([], [], ["RIGHT AXIS DEVIATION"]),
    "427393009": (["SARRH"], [], []),
    "426177001": (["SBRAD"], [], ["SINUS BRADYCARDIA"]),
    "427084000": (["STACH"], [], ["SINUS TACHYCARDIA"]),
    "164934002": (["TAB_"], ["STTC"], []),
    "59931005": (["INVT"], [], []),
}  # fmt: skip


def present(source: str, target: str, code: str) -> list[str]:
    """What a record whose only code this is has for certain."""
    answers = load_label_map(source, target).apply({code: 1.0})
    return sorted(name for name, value in answers.items() if value == 1.0)


@pytest.mark.parametrize("code", SCORED)
def test_the_scored_diagnoses_of_the_challenge(code: str) -> None:
    found = tuple(
        present("snomed-ct", target, code)
        for target in ("scp-ecg", "ptbxl-superclass", "ecgfounder-150")
    )
    assert found == SCORED[code]


def test_every_diagnostic_statement_of_ptbxl_has_its_published_class() -> None:
    assert {
        name: sorted(codes)
        for name, codes in load_label_map("scp-ecg", "ptbxl-superclass").scoring.items()
    } == {
        "NORM": ["NORM"],
        "MI": "ALMI AMI ASMI ILMI IMI INJAL INJAS INJIL INJIN INJLA IPLMI IPMI LMI PMI".split(),
        "STTC": "ANEUR DIG EL ISCAL ISCAN ISCAS ISCIL ISCIN ISCLA ISC_ LNGQT NDT NST_".split(),
        "CD": "1AVB 2AVB 3AVB CLBBB CRBBB ILBBB IRBBB IVCD LAFB LPFB WPW".split(),
        "HYP": "LAO/LAE LVH RAO/RAE RVH SEHYP".split(),
    }


def test_the_six_findings_of_code() -> None:
    assert load_vocabulary("code-6").names == ("1dAVb", "RBBB", "LBBB", "SB", "AF", "ST")
    assert dict(load_label_map("code-6", "scp-ecg").scoring) == {
        "1AVB": ("1dAVb",), "CRBBB": ("RBBB",), "CLBBB": ("LBBB",), "SBRAD": ("SB",),
        "AFIB": ("AF",), "STACH": ("ST",),
    }  # fmt: skip
    assert dict(load_label_map("cpsc2018", "code-6").scoring) == {
        "AF": ("AF",), "1dAVb": ("I-AVB",), "LBBB": ("LBBB",), "RBBB": ("RBBB",),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("mark", "rhythm", "statement"),
    [
        ("(AFIB", ["atrial fibrillation"], ["ATRIAL FIBRILLATION"]),
        ("(AFL", ["other rhythm"], ["ATRIAL FLUTTER"]),
        ("(B", ["other rhythm"], ["PREMATURE VENTRICULAR COMPLEXES"]),
        ("(T", ["other rhythm"], ["PREMATURE VENTRICULAR COMPLEXES"]),
        ("(BII", ["other rhythm"], []),
        ("(IVR", ["other rhythm"], ["IDIOVENTRICULAR RHYTHM"]),
        ("(N", [], ["SINUS RHYTHM"]),
        ("(NOD", ["other rhythm"], ["JUNCTIONAL RHYTHM"]),
        ("(P", ["other rhythm"], []),
        ("(PREX", [], []),
        ("(SBR", [], ["SINUS BRADYCARDIA"]),
        ("(SVTA", ["other rhythm"], []),
        ("(VFL", ["other rhythm"], []),
        ("(VT", ["other rhythm"], ["VENTRICULAR TACHYCARDIA"]),
    ],
)
def test_rhythm_marks_of_mit_bih(mark: str, rhythm: list[str], statement: list[str]) -> None:
    assert present("rhythm-marks", "cinc2017-rhythm", mark) == rhythm
    assert present("rhythm-marks", "ecgfounder-150", mark) == statement


def test_what_is_part_of_the_installation() -> None:
    own = [name for name in VOCABULARIES if VOCABULARIES.origin(name) == "ecgfoundry"]
    assert tuple(own) == (
        "cinc2017-rhythm", "code-6", "ecg-fm-17", "ecgfounder-150", "ptbxl-diagnosis",
        "ptbxl-superclass", "scp-ecg",
    )  # fmt: skip
    assert set(available_label_maps()) == {
        "12sl", "aha", "code-6", "cpsc2018", "ludb", "mimic-iv-ecg", "rhythm-marks", "scp-ecg",
        "snomed-ct",
    }  # fmt: skip
    assert [len(load_vocabulary(name)) for name in own] == [4, 6, 17, 150, 25, 5, 71]
    assert RELATIONS == ("exact", "narrower", "broader", "related", "unmapped")
    assert SCORING == ("exact", "narrower")
    assert KINDS == (
        "diagnosis", "rhythm", "modifier", "serial comparison", "verdict", "quality",
        "measurement", "demographic", "laboratory indicator",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("code", "valid"),
    [
        # Identifiers of the international release, and each with its last digit changed.
        ("164889003", True), ("164889002", False),
        ("426783006", True), ("426783007", False),
        ("10370003", True), ("67741000119109", True), ("67741000119108", False),
        ("138875005", True), ("900000000000207008", True), ("900000000000207007", False),
        # The shortest and longest lengths: 6 to 18 digits.
        ("100005", True), ("10003", False), ("9000000000002070080", False),
        ("0164889003", False), ("16488900³", False), ("16488900x", False), ("", False),
    ],
)  # fmt: skip
def test_check_digits_of_snomed_ct(code: str, valid: bool) -> None:
    assert sctid_is_valid(code) is valid


def rows(*relations: tuple[str, str, str]) -> LabelMap:
    return LabelMap(
        "s",
        "t",
        tuple(MapRow(code, code, "t", target, how, "e") for code, target, how in relations),
    )


EXAMPLE = rows(("a", "X", "exact"), ("b", "X", "narrower"), ("c", "X", "broader"),
               ("d", "X", "related"), ("e", "Y", "broader"))  # fmt: skip


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({"a": 1.0}, {"X": 1.0}),
        ({"b": 1.0}, {"X": 1.0}),
        ({"a": 0.0}, {"X": 0.0}),
        ({"a": 0.0, "b": 1.0}, {"X": 1.0}),
        ({"a": 0.5}, {"X": 0.0}),  # present is above a half
        ({"a": 0.51}, {"X": 1.0}),
        ({"a": None}, {"X": None}),
        ({"a": 0.0, "b": None}, {"X": None}),
        ({"a": 1.0, "b": None}, {"X": 1.0}),
        ({"a": 0.0, "c": 1.0}, {"X": None}),
        ({"a": 0.0, "c": 0.5}, {"X": 0.0}),
        ({"a": 0.0, "d": None}, {"X": None}),
        ({"a": 0.0, "c": 0.0, "d": 0.0}, {"X": 0.0}),
        ({"c": 1.0}, {}),  # what only leaves X open says nothing about it
        ({"e": 1.0}, {}),
    ],
)
def test_a_map_applied_by_hand(
    values: dict[str, float | None], wanted: dict[str, float | None]
) -> None:
    assert EXAMPLE.apply(values) == wanted


def test_the_sides_of_a_map() -> None:
    assert EXAMPLE.scoring == {"X": ("a", "b")}
    assert EXAMPLE.ambiguous == {"X": ("c", "d"), "Y": ("e",)}
    assert EXAMPLE.codes == {"a", "b", "c", "d", "e"}
    back = EXAMPLE.reversed()
    assert (back.source, back.target) == ("t", "s")
    assert [(r.source_code, r.target_vocabulary, r.target, r.relation) for r in back.rows] == [
        ("X", "s", "a", "exact"), ("X", "s", "b", "broader"), ("X", "s", "c", "narrower"),
        ("X", "s", "d", "related"), ("Y", "s", "e", "narrower"),
    ]  # fmt: skip
    unmapped = LabelMap("s", "t", (MapRow("a", "a", "t", "", "unmapped", "e", "no such thing"),))
    assert unmapped.reversed().rows == () and unmapped.scoring == {}
    assert unmapped.unreviewed({"z", "a", "b"}) == ("b", "z")
    with pytest.raises(VocabularyError, match="is unmapped and has the target 'X'"):
        MapRow("a", "a", "t", "X", "unmapped", "e", "no such thing")


def test_a_statement_uses_up_all_of_its_words() -> None:
    words = ("A", "A B", "C IN", "B C D E")
    letters = Vocabulary("letters", tuple(Target(name, "diagnosis") for name in words))
    for text, wanted in {
        "a": (0,),
        "a b": (1,),
        "a and a b": (0, 1),
        "a & a": (0, 0),
        "a, a b": (0, 1),
        "c in anything at all": (2,),
        "a c in v1": (0, 2),
        "a b c d e": (0, 3),  # the longest first, but not where it leaves words over
        "a and": (),
        "and a": (),
        "a or a": (),
        "b": (),
        '"a". (a b)': (0, 1),
    }.items():
        assert match_statement(letters, text) == wanted, text


def test_targets_are_found_by_name_and_similar_ones_are_named() -> None:
    names = [f"LOBE {letter}" for letter in "ABCDEFG"]
    letters = Vocabulary("lobes", tuple(Target(name, "diagnosis") for name in names))
    assert letters.index("lobe c") == 2 and len(letters) == 7
    with pytest.raises(VocabularyError) as refused:
        letters.index("lobe")
    assert refused.value.remedy == "Did you mean: LOBE A, LOBE B, LOBE C, LOBE D, LOBE E"


def test_the_json_form_of_a_target_leaves_out_what_is_empty() -> None:
    assert Target("a", "rhythm").to_dict() == {"name": "a", "kind": "rhythm"}
    whole = {
        "name": "K", "kind": "measurement", "codes": {"LOINC": "2823-3"}, "unit": "mmol/L",
        "description": "d", "caveat": "c", "standalone": False,
    }  # fmt: skip
    assert Target.from_dict(whole).to_dict() == whole
    assert Target("a", "rhythm").standalone is True
    two = {"name": "v", "targets": [{"name": "a", "kind": "rhythm"}]}
    assert Vocabulary.from_dict(two).to_dict() == two
    assert Vocabulary.from_dict(two | {"source": "s"}).to_dict() == two | {"source": "s"}
    codes = {"LOINC": "1"}
    target = Target("a", "rhythm", codes=codes)
    codes["LOINC"] = "2"
    assert target.codes == {"LOINC": "1"}
    assert len({target, Target("a", "rhythm", codes={"LOINC": "1"})}) == 1
