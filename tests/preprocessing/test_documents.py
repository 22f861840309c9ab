"""A recipe as a document: what is refused and in which words, its identity, where it is found."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import PLUGINS

from ecgfoundry.errors import FileAccessError, PreprocessingError
from ecgfoundry.preprocessing import PREPROCESSINGS, Preprocessing, get_preprocessing
from ecgfoundry.preprocessing.document import canonical

LINEAR = PLUGINS / "ecgfoundry_plugin" / "recipes" / "plugin-linear@3.json"


def document() -> dict[str, Any]:
    """Steps: 0 fill-gaps, 1 resample, 2 notch, 3 low-pass, 4 high-pass, 5 median, 6 keep-every,
    7 z-score, 8 clip."""
    content: dict[str, Any] = json.loads(LINEAR.read_text())
    return content


# --- what is refused ------------------------------------------------------------------------------

Change = Callable[[dict[str, Any]], Any]
WRONG: dict[str, tuple[Change, str]] = {
    "unknown key": (
        lambda d: d.update(sampling_rate=125),
        "unknown key 'sampling_rate'; did you mean 'sampling_rate_hz'?",
    ),
    "unknown key of a step": (
        lambda d: d["steps"][2].update(qualty=30),
        "step 3 (notch): unknown key 'qualty'; did you mean 'quality'?",
    ),
    "key without its unit": (
        lambda d: d["steps"][8].update(limit=3),
        "step 9 (clip): unknown key 'limit'; did you mean 'limit_",
    ),
    "key of a step that has none": (
        lambda d: d["steps"].append({"step": "blank-gaps", "value": 1}),
        "step 10 (blank-gaps): unknown key 'value'; there is none here",
    ),
    "unknown step": (
        lambda d: d["steps"][4].update(step="butterwort"),
        "'butterwort' is unknown; did you mean 'butterworth'?",
    ),
    "unknown band": (
        lambda d: d["steps"][4].update(band="highpass"),
        "step 5 (butterworth), band: 'highpass' is unknown; did you mean 'high-pass'?",
    ),
    "missing number": (
        lambda d: d["steps"][4].pop("order"),
        "step 5 (butterworth): 'order' is missing",
    ),
    "number as text": (lambda d: d.update(window_s="10"), "window_s: '10' is not of type 'number'"),
    "version as a fraction": (lambda d: d.update(version=1.5), "version: 1.5 is not of type"),
    "name with a version": (lambda d: d.update(name="x@1"), "name: 'x@1' does not match"),
    "no gap fill": (lambda d: d["steps"].pop(0), "fill-gaps is missing; it has to be the first"),
    "blank without fill": (
        lambda d: d["steps"].append({"step": "blank-gaps"}) or d["steps"].pop(0),
        "blank-gaps at the end does not do it, since a gap spreads through every filter",
    ),
    "gap fill too late": (
        lambda d: d["steps"].insert(1, d["steps"].pop(0)),
        "step 1 is resample; fill-gaps has to be the first, before a gap can spread",
    ),
    "two z-scores": (
        lambda d: d["steps"].append(d["steps"][7]),
        "z-score is there 2 times; once is meant",
    ),
    "no resampling": (lambda d: d["steps"].pop(1), "resample is missing"),
    "filter before resampling": (
        lambda d: d["steps"].insert(1, d["steps"].pop(2)),
        "step 2 (notch) stands before resample",
    ),
    "blank before a filter": (
        lambda d: d["steps"].insert(2, {"step": "blank-gaps"}),
        "blank-gaps stands before notch, which would undo it; it comes last",
    ),
    "clip in mV after the z-score": (
        lambda d: d["steps"].__setitem__(8, {"step": "clip", "limit_mv": 3}),
        "step 9 (clip): limit_mv is given where the signal is after the z-score; limit_sd is meant",
    ),
    "clip in deviations before it": (
        lambda d: d["steps"].insert(2, {"step": "clip", "limit_sd": 3}),
        "step 3 (clip): limit_sd is given where the signal is before a z-score; limit_mv is meant",
    ),
    "clip without a limit": (
        lambda d: d["steps"][8].pop("limit_sd"),
        "step 9 (clip): 'limit_sd' is missing",
    ),
    "division by zero": (
        lambda d: d["steps"][7].update(epsilon_mv=0),
        "step 8 (z-score): a flat lead would be divided by 0",
    ),
    "padding in mV after the z-score": (
        lambda d: d.update(padding={"side": "right", "counted_in_scaling": False, "value_mv": 0}),
        "padding: value_mv is given where the signal is after the z-score; value_sd is meant",
    ),
    "padding that counts in nothing": (
        lambda d: d.update(
            steps=d["steps"][:7], padding={"side": "right", "counted_in_scaling": True}
        ),
        "padding: counted_in_scaling is true, and there is no z-score",
    ),
    "padding that is blanked": (
        lambda d: (
            d["steps"].append({"step": "blank-gaps"})
            or d.update(padding={"side": "right", "counted_in_scaling": True, "value_mv": 0})
        ),
        "padding: counted_in_scaling puts it before the z-score, so that blank-gaps after it",
    ),
    "another rate at the end": (
        lambda d: d["steps"].pop(6),
        "the steps end at 250 Hz, and sampling_rate_hz says 125; a keep-every",
    ),
    "even median": (
        lambda d: d["steps"][5].update(kernel_samples=150),
        "kernel_samples is 150; an odd number has a sample in the middle",
    ),
    "cut-off at half the rate": (
        lambda d: d["steps"][3].update(cutoff_hz=125),
        "step 4 (butterworth): cutoff_hz 125 is not below half of the 250 Hz at this point",
    ),
    "notch above half the rate": (
        lambda d: d["steps"][2].update(frequency_hz=125.5),
        "frequency_hz 125.5 is not below half of the 250 Hz",
    ),
    "mains of 60 Hz at a low rate": (
        lambda d: d["steps"].insert(
            7, {"step": "notch", "frequency_hz": "mains", "unknown_mains_hz": [50], "quality": 30}
        )
        or d["steps"].insert(7, {"step": "resample", "method": "linear", "to_hz": 110}),
        "frequency_hz 60 is not below half of the 110 Hz",
    ),
    "mains without a fallback": (
        lambda d: d["steps"][2].update(frequency_hz="mains"),
        "unknown_mains_hz goes with frequency_hz 'mains'",
    ),
    "band-pass with one cut-off": (
        lambda d: d["steps"][3].update(band="band-pass"),
        "a band-pass has low_hz and high_hz, not cutoff_hz",
    ),
    "exchanged cut-offs": (
        lambda d: d["steps"].__setitem__(
            3, {"step": "butterworth", "band": "band-pass", "order": 2, "low_hz": 40,
                "high_hz": 0.5, "form": "sections"}
        ),
        "low_hz is not below high_hz; were they exchanged?",
    ),
    "edges longer than a second": (
        lambda d: d["steps"].insert(
            7, {"step": "butterworth", "band": "band-pass", "order": 16, "low_hz": 5,
                "high_hz": 20, "form": "sections"}
        ) or d["steps"].insert(7, {"step": "resample", "method": "linear", "to_hz": 90}),
        "order 16 needs more than 99 samples for its edges, and a window of 1 s has 90",
    ),
    "cut-off that rings for hours": (
        lambda d: d["steps"][4].update(cutoff_hz=1e-9),
        "its cut-off is too low for this rate: the filter would ring without end",
    ),
    "unstable transfer function": (
        lambda d: d["steps"][4].update(order=8, cutoff_hz=0.05, form="transfer-function"),
        "as a transfer function this filter is unstable in float64; use form 'sections'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_document_is_refused_in_words_that_say_what_was_meant(case: str) -> None:
    change, words = WRONG[case]
    content = document()
    change(content)
    with pytest.raises(PreprocessingError) as caught:
        get_preprocessing(content)
    assert words in str(caught.value)


def test_the_unstable_filter_is_stable_as_sections() -> None:
    content = document()
    content["steps"][4].update(order=8, cutoff_hz=0.05)
    assert get_preprocessing(content).name == "plugin-linear@3"


def test_decimation_before_a_filter_is_a_recipe() -> None:
    content = document()
    content["steps"].insert(3, content["steps"].pop(6))
    assert get_preprocessing(content).sampling_rate == 125.0


def test_several_problems_are_counted() -> None:
    content = document() | {"a": 1, "window_s": "ten"}
    with pytest.raises(PreprocessingError, match=r"\(and 1 more\)"):
        get_preprocessing(content)
    with pytest.raises(PreprocessingError, match="is not of type 'object'"):
        Preprocessing.from_document([])  # type: ignore[arg-type]


# --- identity -------------------------------------------------------------------------------------

RELEASED = {
    "ecg-cpc@1": "158c73e238fb0753af1857fc6804b160556dff7547576ca94f3288497bea149d",
    "ecg-fm@1": "1d5d36e0f09826a31940f820b63151fb0f9815ff31dff05264ccc6945d0bd0ad",
    "ecgfounder-finetune@1": "9eba17a03e8a29e51874514a7c4cc3bd3ac0ea89476f0dcd6027cfe8af8b2371",
    "ecgfounder-paper@1": "aa2f6a9489a799d0992d4c4d2de30e70c0192efdb4c8872fc5ce5faa0acef03a",
    "ecgfounder-ptbxl-eval@1": "860e7d734cb3a3fc0b285a788ffe55d000f28a196694ec5e60d14ac4430dd2ce",
    "ptbxl-bandpass@1": "4a58fa288f4aacf48503c8c92d69dfc440af39c9d5926ebe60b3540a5f2950ae",
    "single-lead-rhythm@1": "c8f8df9a3eaa21369bc578c8f928ec98ddd7d52e7a1d9623610a33e4044fdf3f",
    "twelve-lead-100hz@1": "76201bd1da0fb5cf919df5f751072d7731e56e963f8d1e6e06a1413c45bee5f8",
}


def test_a_released_recipe_never_changes() -> None:
    """What is red here is a new version, in a file of its own."""
    own = [name for name in PREPROCESSINGS if PREPROCESSINGS.origin(name) == "ecgfoundry"]
    assert {name: PREPROCESSINGS[name].sha256 for name in own} == RELEASED


def test_the_canonical_form_does_not_depend_on_order_spaces_and_points() -> None:
    assert (
        canonical({"b": 2.0, "a": [1, {"d": 0.5, "c": "ä"}]}) == '{"a":[1,{"c":"ä","d":0.5}],"b":2}'
    )
    content = document()
    other = dict(reversed(content.items())) | {"window_s": 10.0}
    assert get_preprocessing(other) == get_preprocessing(content)
    assert hash(get_preprocessing(other)) == hash(get_preprocessing(content))


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["steps"][3].update(cutoff_hz=45.001),
        lambda d: d["steps"].insert(2, d["steps"].pop(3)),
        lambda d: d.update(version=4),
        lambda d: d["padding"].update(side="left"),
    ],
)
def test_every_number_is_part_of_the_identity(change: Change) -> None:
    content = document()
    before = get_preprocessing(copy.deepcopy(content))
    change(content)
    assert get_preprocessing(content) != before


def test_a_document_is_written_in_the_order_of_the_schema() -> None:
    document = get_preprocessing("single-lead-rhythm@1").document
    assert list(document) == [
        "schema_version", "name", "version", "sampling_rate_hz", "window_s", "leads", "steps",
        "padding", "description", "source",
    ]  # fmt: skip
    steps = document["steps"]
    assert isinstance(steps, list) and all(next(iter(step)) == "step" for step in steps)


def test_a_recipe_survives_a_file_and_another_process(tmp_path: Path) -> None:
    for recipe in PREPROCESSINGS.values():
        path = recipe.write(tmp_path / "r.json")
        again = get_preprocessing(path)
        assert again == recipe and again.steps == recipe.steps and again.padding == recipe.padding
        assert pickle.loads(pickle.dumps(recipe)) == recipe
    assert path.read_bytes() == again.write(tmp_path / "again.json").read_bytes()


def test_stored_arrays_are_labelled_by_name_or_hash() -> None:
    shipped = get_preprocessing("ptbxl-bandpass@1")
    assert shipped.is_meant_by("ptbxl-bandpass@1")
    assert shipped.is_meant_by("4a58fa288f4aacf48503c8c92d69dfc440af39c9d5926ebe60b3540a5f2950ae")
    assert not shipped.is_meant_by("ptbxl-bandpass@2") and not shipped.is_meant_by("")
    other = get_preprocessing(document() | {"name": "ptbxl-bandpass", "version": 1})
    assert not other.is_meant_by("ptbxl-bandpass@1")  # the name is another one's here
    assert other.is_meant_by(other.sha256)
    foreign = get_preprocessing(document() | {"name": "made-elsewhere"})
    assert foreign.is_meant_by("made-elsewhere@3")


# --- where recipes are found ----------------------------------------------------------------------


def test_a_recipe_is_given_by_name_file_document_or_itself() -> None:
    recipe = PREPROCESSINGS["plugin-linear@3"]
    assert isinstance(recipe, Preprocessing)
    assert recipe.name == "plugin-linear@3" and recipe.samples == 1250
    for given in ("plugin-linear@3", LINEAR, str(LINEAR), document(), recipe):
        assert get_preprocessing(given) == recipe


def test_what_cannot_be_found_or_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(PreprocessingError, match="Did you mean 'ptbxl-bandpass@1'"):
        get_preprocessing("ptbxl-bandpas@1")
    with pytest.raises(FileAccessError, match=r"nowhere\.json: cannot be read"):
        get_preprocessing(tmp_path / "nowhere.json")
    broken = tmp_path / "broken.json"
    broken.write_text('{"name": ')
    with pytest.raises(PreprocessingError, match=r"broken\.json: is not JSON"):
        get_preprocessing(str(broken))
    broken.write_text(" " * 1_000_001)
    with pytest.raises(PreprocessingError, match="larger than any"):
        get_preprocessing(broken)
    content = document()
    content["steps"][4].pop("order")
    broken.write_text(json.dumps(content))
    with pytest.raises(PreprocessingError, match=r"broken\.json: step 5 \(butterworth\): 'order'"):
        get_preprocessing(broken)


def test_another_package_adds_a_path_and_a_document() -> None:
    assert PREPROCESSINGS.origin("plugin-linear@3") == "ecgfoundry-plugin 1.0"
    assert PREPROCESSINGS.origin("plugin-polyphase@1") == "ecgfoundry-plugin 1.0"
    with pytest.raises(PreprocessingError, match=r"from ecgfoundry-plugin 1\.0 and from another"):
        PREPROCESSINGS.add(document(), origin="another")
