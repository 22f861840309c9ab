"""Vocabularies against the published names, the challenge's code mapping and the bundle schema."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from ecgfoundry.errors import VocabularyError
from ecgfoundry.schemas import load_schema
from ecgfoundry.vocabularies import (
    KINDS,
    VOCABULARIES,
    Target,
    Vocabulary,
    load_vocabulary,
    match_statement,
)

GOLDEN = Path(__file__).parents[1] / "fixtures" / "golden"

SERIAL = {21, 22, 23, 27, 29, 30, 42, 45, 46, 47, 48, 53, 57, 66, 68, 71, 77, 97, 100, 111}
SERIAL |= {123, 125}
FRAGMENTS = {101, 114, 115, 119, 135}

# The wording of the PhysioNet/CinC Challenge 2021 for every SNOMED CT code that is used.
CHALLENGE_2021 = {
    "426783006": "sinus rhythm",
    "426177001": "sinus bradycardia",
    "427084000": "sinus tachycardia",
    "164889003": "atrial fibrillation",
    "164890007": "atrial flutter",
    "39732003": "left axis deviation",
    "47665007": "right axis deviation",
    "427172004": "premature ventricular contractions",
    "284470004": "premature atrial contraction",
    "63593006": "supraventricular premature beats",
    "59118001": "right bundle branch block",
    "713426002": "incomplete right bundle branch block",
    "164909002": "left bundle branch block",
    "251120003": "incomplete left bundle branch block",
    "445118002": "left anterior fascicular block",
    "445211001": "left posterior fascicular block",
    "698252002": "nonspecific intraventricular conduction disorder",
    "67741000119109": "left atrial enlargement",
    "164934002": "t wave abnormal",
    "428750005": "nonspecific st t abnormality",
    "251146004": "low qrs voltages",
    "164873001": "left ventricular hypertrophy",
    "89792004": "right ventricular hypertrophy",
    "13640000": "fusion beats",
    "427393009": "sinus arrhythmia",
    "49578007": "shortened pr interval",
    "29320008": "atrioventricular junctional rhythm",
    "251268003": "atrial pacing pattern",
    "251266004": "ventricular pacing pattern",
    "10370003": "pacing rhythm",
    "270492004": "1st degree av block",
    "27885002": "complete heart block",
    "54016002": "mobitz type i wenckebach atrioventricular block",
    "50799005": "atrioventricular dissociation",
    "111975006": "prolonged qt interval",
    "57054005": "acute myocardial infarction",
    "426761007": "supraventricular tachycardia",
    "164895002": "ventricular tachycardia",
    "428417006": "early repolarization",
    "74390002": "wolff parkinson white pattern",
    "75532003": "ventricular escape beat",
    "426995002": "junctional escape",
    "49260003": "idioventricular rhythm",
}

# Words by which a name and the challenge's wording for its code must resemble each other.
SAME_WORD = {
    "rbbb": "right", "conduction": "intraventricular", "complexes": "beat", "voltage": "voltages",
    "repolarization": "early", "paced": "pacing", "pacemaker": "pacing", "mi": "infarction",
}  # fmt: skip


def labels() -> Vocabulary:
    return load_vocabulary("ecgfounder-150")


@pytest.mark.parametrize("name", VOCABULARIES)
def test_every_vocabulary_is_complete(name: str) -> None:
    vocabulary = load_vocabulary(name)
    assert vocabulary.name == name
    assert vocabulary.source
    schema = {"$ref": "#/$defs/vocabulary", "$defs": load_schema("bundle")["$defs"]}
    assert not list(Draft202012Validator(schema).iter_errors(vocabulary.to_dict()))
    assert Vocabulary.from_dict(vocabulary.to_dict()) == vocabulary
    assert pickle.loads(pickle.dumps(vocabulary)) == vocabulary
    for position, target in enumerate(vocabulary.targets):
        assert vocabulary.index(target.name) == position
        assert match_statement(vocabulary, target.name)[0] == position
        assert set(target.codes) <= {"SNOMED CT", "SCP-ECG"}


def test_the_schema_knows_the_same_kinds() -> None:
    target = load_schema("bundle")["$defs"]["vocabulary"]["properties"]["targets"]["items"]
    assert tuple(target["properties"]["kind"]["enum"]) == KINDS


def test_names_are_the_published_ones_in_order() -> None:
    lines = (GOLDEN / "ecgfounder_150_names.txt").read_text(encoding="utf-8").splitlines()
    published = [line for line in lines if not line.startswith("#")]
    assert len(published) == 150
    assert list(labels().names) == published


def test_serial_comparisons_are_marked() -> None:
    targets = labels().targets
    marked = {k for k, target in enumerate(targets) if target.kind == "serial comparison"}
    assert marked == SERIAL
    # No statement that speaks of a change has been forgotten.
    changing = re.compile(r"\b(NOW|NO LONGER|HAS|HAVE|LESS|MORE|CHANGE)\b")
    assert {k for k, target in enumerate(targets) if changing.search(target.name)} == SERIAL


def test_modifiers_and_fragments_never_stand_alone() -> None:
    targets = labels().targets
    leading = re.compile(r"(WITH|OR|IN|MASKED BY) ")
    modifiers = {k for k, target in enumerate(targets) if leading.match(target.name)}
    assert {k for k, t in enumerate(targets) if t.kind == "modifier"} == modifiers | FRAGMENTS
    dependent = {k for k, target in enumerate(targets) if not target.standalone}
    assert dependent == modifiers | FRAGMENTS | SERIAL
    assert all(targets[k].caveat for k in dependent)
    assert {k for k, target in enumerate(targets) if target.kind == "verdict"} == {0, 2, 7, 10}


def test_codes_are_those_of_the_challenge() -> None:
    for name in ("ecgfounder-150", "cinc2017-rhythm"):
        for target in load_vocabulary(name).targets:
            code = target.codes.get("SNOMED CT")
            if code is None:
                continue
            wording = set(CHALLENGE_2021[code].split())
            words = set(re.split(r"[^a-z0-9']+", target.name.lower()))
            words |= {SAME_WORD[word] for word in words if word in SAME_WORD}
            assert words & wording or target.name == "normal", (target.name, wording)
    expected = {
        "ATRIAL FIBRILLATION": "164889003",
        "SINUS BRADYCARDIA": "426177001",
        "RIGHT BUNDLE BRANCH BLOCK": "59118001",
        "LEFT BUNDLE BRANCH BLOCK": "164909002",
        "PREMATURE ATRIAL COMPLEXES": "284470004",
        "PREMATURE VENTRICULAR COMPLEXES": "427172004",
        "WITH 1ST DEGREE AV BLOCK": "270492004",
        "PROLONGED QT": "111975006",
    }
    for name, code in expected.items():
        assert labels().targets[labels().index(name)].codes == {"SNOMED CT": code}


def test_rhythm_classes_have_the_agreed_order() -> None:
    vocabulary = load_vocabulary("cinc2017-rhythm")
    assert vocabulary.names == ("normal", "atrial fibrillation", "other rhythm", "noisy")
    assert [target.kind for target in vocabulary.targets] == ["rhythm"] * 3 + ["quality"]


def test_superclasses_carry_their_codes() -> None:
    vocabulary = load_vocabulary("ptbxl-superclass")
    assert vocabulary.names == ("NORM", "MI", "STTC", "CD", "HYP")
    assert all(target.codes == {"SCP-ECG": target.name} for target in vocabulary.targets)
    assert all(target.description for target in vocabulary.targets)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("NORMAL ECG", ["NORMAL ECG"]),
        ("*** Abnormal ECG ***", ["ABNORMAL ECG"]),
        ("Normal sinus rhythm", ["NORMAL SINUS RHYTHM"]),
        ("sinus  rhythm.", ["SINUS RHYTHM"]),
        ("Otherwise normal ECG", ["otherwise normal ecg"]),
        ("Sinus rhythm, left axis deviation", ["SINUS RHYTHM", "LEFT AXIS DEVIATION"]),
        (
            "Atrial fibrillation with rapid ventricular response",
            ["ATRIAL FIBRILLATION", "WITH RAPID VENTRICULAR RESPONSE"],
        ),
        (
            "Right bundle branch block and left anterior fascicular block",
            ["RIGHT BUNDLE BRANCH BLOCK", "LEFT ANTERIOR FASCICULAR BLOCK"],
        ),
        ("RBBB and left anterior fascicular block", ["RBBB AND LEFT ANTERIOR FASCICULAR BLOCK"]),
        ("Acute MI/STEMI", ["ACUTE MI / STEMI"]),
        ("ACUTE MI", ["ACUTE MI"]),
        ("RSR’ pattern in V1", ["RSR' PATTERN IN V1"]),
        (
            "T wave inversion now evident in Lateral leads",
            ["T WAVE INVERSION NOW EVIDENT IN"],
        ),
        (
            "Premature ventricular and fusion complexes",
            ["PREMATURE VENTRICULAR AND FUSION COMPLEXES"],
        ),
        ("Possible left atrial enlargement", []),
        ("Not a normal ECG", []),
        ("Sinus rhythm has replaced atrial fibrillation", []),
        ("Sinus rhythm and", []),
        ("ECG", []),
        ("", []),
    ],
)
def test_matching_takes_whole_statements(text: str, names: list[str]) -> None:
    vocabulary = labels()
    assert [vocabulary.names[k] for k in match_statement(vocabulary, text)] == names


def test_contradictions_are_refused() -> None:
    target = Target("a", "diagnosis")
    with pytest.raises(VocabularyError, match="more than once: a"):
        Vocabulary("twice", (target, target))
    with pytest.raises(VocabularyError, match="no targets"):
        Vocabulary("empty", ())
    with pytest.raises(VocabularyError, match="unknown kind 'guess'"):
        Target("a", "guess")
    with pytest.raises(VocabularyError, match="no name"):
        Target(" ", "diagnosis")
    with pytest.raises(VocabularyError, match="colour"):
        Target.from_dict({"name": "a", "kind": "diagnosis", "colour": "red"})
    with pytest.raises(VocabularyError, match="'targets'"):
        Vocabulary.from_dict({"name": "a"})
    with pytest.raises(VocabularyError, match=r"Known are: .*ecgfounder-150"):
        load_vocabulary("ecgfounder")
    with pytest.raises(VocabularyError, match=r"Did you mean: .*ATRIAL FLUTTER"):
        labels().index("flutter")
