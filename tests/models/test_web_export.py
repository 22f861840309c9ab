"""A model as a page: opened from a disk in Chromium, it says what Python says, and asks nobody."""

from __future__ import annotations

import functools
import itertools
import json
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from benchmarks.experiments.hostile_signals import as_leads

from ecgfoundry.cli.main import main
from ecgfoundry.errors import DownloadError, FileAccessError, IntegrityError
from ecgfoundry.formats.files import read
from ecgfoundry.formats.writers import write
from ecgfoundry.inference.exporting import export_bundle
from ecgfoundry.inference.predictor import Predictor, load_model
from ecgfoundry.measurements import gate, recognition
from ecgfoundry.measurements.beats import find_beats, heart_rate_bpm
from ecgfoundry.measurements.gate import judge_and_find_beats, judge_window
from ecgfoundry.models.bundle import find_bundle, load_bundle
from ecgfoundry.models.web_export.folder import bundled, export_web
from ecgfoundry.models.web_export.runtime import RUNTIME_FILES, find_runtime
from ecgfoundry.preprocessing import get_preprocessing, standardize_window
from ecgfoundry.preprocessing.steps import STEP_KINDS
from ecgfoundry.samples import sample_path

EDGE, TWELVE = "rhythm-single-lead-edge", "ptbxl-superclass-12lead"
STATEMENTS = "diagnosis-12lead"
RECIPES = (
    "ecgfounder-finetune@1", "ecgfounder-paper@1", "ecgfounder-ptbxl-eval@1", "ptbxl-bandpass@1",
    "single-lead-rhythm@1", "twelve-lead-100hz@1",
)  # fmt: skip
TOLERANCE = 1e-4  # of a probability
NOT_ON_THE_PAGE = {
    # What is said about the source beside its signal.
    "filters-unknown", "short", "age-under-18", "preprocessing-differs", "start-not-read",
}  # fmt: skip

Answer = Callable[..., dict[str, Any]]


# --- without a browser ----------------------------------------------------------------------------


@pytest.fixture
def stand_in() -> dict[str, bytes]:
    """Files in the place of the runtime, for what does not run the page."""
    return dict.fromkeys(RUNTIME_FILES, b"// nothing runs here")


def test_the_page_is_one_classic_script() -> None:
    script = bundled()
    # A page on a disk cannot load modules.
    assert re.search(r"^(import|export)\b", script, re.MULTILINE) is None
    assert script.count("const module_recipe = ") == 1
    assert script.index("const module_arrays = ") < script.index("const module_recipe = ")


def test_every_step_of_a_recipe_is_known_to_the_page() -> None:
    cases = set(re.findall(r'case "([\w-]+)":', bundled("recipe")))
    assert cases == set(STEP_KINDS)


def page_facts(folder: Path) -> dict[str, Any]:
    page = (folder / "index.html").read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="facts">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    facts: dict[str, Any] = json.loads(found[1])
    return facts


def script_text(name: str) -> str:
    folder = files("ecgfoundry.models") / "web_export" / "files"
    return (folder / f"{name}.js").read_text(encoding="utf-8")


GATE_SCRIPTS = {  # What each calls the numbers that it takes, and where they stand in the JSON.
    "gate": {r"FACTS\.gate": "gate", r"FACTS\.gate_words": "gate_words"},
    "noise": {"LIMITS": "noise"},
    "quality": {"limits": "quality", r"FACTS\.quality": "quality", "MEASURED": "lead_metrics"},
    "recognition": {"LIMITS": "recognition"},
}


@pytest.mark.parametrize("name", GATE_SCRIPTS)
def test_the_gate_of_the_page_has_no_limit_of_its_own(name: str) -> None:
    code = re.sub(r"//.*|\"[^\"\n]*\"", "", script_text(name))
    numbers = {float(number) for number in re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?:e-?\d+)?", code)}
    # Of arithmetic: the taper, the least samples of a run, dB, seconds of a minute, %, uV; guards.
    assert numbers <= {0, 0.5, 1, 2, 3, 10, 60, 100, 1000, 1e-9, 1e-30, 1e-300}


def test_every_limit_of_the_page_is_in_its_json(tmp_path: Path, stand_in: dict[str, bytes]) -> None:
    facts = page_facts(export_web(load_bundle(find_bundle(EDGE)), tmp_path / "page", stand_in))
    for script, sources in GATE_SCRIPTS.items():
        code = script_text(script)
        for called, place in sources.items():
            asked = set(re.findall(rf"\b{called}\.([A-Z]\w+)", code))
            assert asked <= facts[place].keys()
    assert facts["recognition"]["DOUBTED"] == -1.4
    assert facts["gate"]["LOW_SNR_DB"] == 8.0
    assert facts["lead_metrics"]["MOST_MISSING"] == 0.9


@pytest.mark.parametrize(
    ("module", "name", "place"),
    [(recognition, "DOUBTED", "recognition"), (gate, "LOW_SNR_DB", "gate")],
)
def test_a_changed_limit_changes_python_and_the_page(
    module: ModuleType,
    name: str,
    place: str,
    tmp_path: Path,
    stand_in: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recording = read(sample_path("12-lead"))
    before = judge_window(recording.signal, recording.sampling_rate, recording.leads)
    assert (before.refusal, "noise-in-band" in {one.code for one in before.warnings}) == (
        None,
        False,
    )
    monkeypatch.setattr(module, name, 1e3)
    after = judge_window(recording.signal, recording.sampling_rate, recording.leads)
    if place == "recognition":
        assert after.refusal is not None
        assert after.refusal.code == "not-an-ecg"
    else:
        assert "noise-in-band" in {one.code for one in after.warnings}
    folder = export_web(load_bundle(find_bundle(EDGE)), tmp_path / "page", stand_in)
    assert page_facts(folder)[place][name] == 1e3


def test_the_page_allows_its_own_scripts_and_no_connection(
    tmp_path: Path, stand_in: dict[str, bytes]
) -> None:
    folder = export_web(load_bundle(find_bundle(EDGE)), tmp_path / "page", stand_in)
    page = (folder / "index.html").read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; script-src 'sha256-")
    assert "connect-src" not in policy[1]  # so default-src holds: nothing
    assert "'unsafe-inline'" not in policy[1]
    assert "'unsafe-eval'" not in policy[1]
    assert re.search(r"(?:src|href)=[\"']https?:", page) is None
    assert {path.name for path in folder.iterdir()} == {
        "index.html", "model.json", "preprocessing.json", "README.md",
    }  # fmt: skip


def test_without_the_runtime_the_way_to_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECGFOUNDRY_CACHE", str(tmp_path))
    with pytest.raises(FileAccessError, match="onnxruntime-web") as caught:
        export_bundle(EDGE, tmp_path / "page", format="web")
    assert "--fetch-runtime" in str(caught.value.remedy)
    assert not (tmp_path / "page").exists()


def test_offline_nothing_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECGFOUNDRY_OFFLINE", "1")
    with pytest.raises(DownloadError, match="ECGFOUNDRY_OFFLINE"):
        find_runtime(tmp_path, fetch=True)


def test_another_runtime_is_refused(tmp_path: Path) -> None:
    for name in RUNTIME_FILES:
        (tmp_path / name).write_bytes(b"other")
    with pytest.raises(IntegrityError, match=r"ort\.wasm\.min\.js has the SHA-256"):
        find_runtime(tmp_path)


def test_options_of_the_page_are_refused_elsewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="1"):
        main(["models", "export", EDGE, "--output", str(tmp_path / "x"), "--fetch-runtime"])
    assert "--fetch-runtime is for --format web" in capsys.readouterr().err


# --- in Chromium ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def runtime() -> dict[str, bytes]:
    try:
        return find_runtime(fetch=True)
    except DownloadError as error:
        pytest.skip(f"the runtime of the page cannot be had: {error}")


@pytest.fixture(scope="module")
def pages(
    browser: Any, runtime: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Any]]:
    """The page of a model, opened from the disk without a network; it must not say a fault."""
    context = browser.new_context()
    context.set_offline(True)
    faults: list[str] = []

    @functools.cache
    def opened(model: str) -> Any:
        folder = tmp_path_factory.mktemp("page") / Path(model).name
        export_web(load_bundle(find_bundle(model)), folder, runtime)
        page = context.new_page()
        page.set_default_timeout(120_000)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith(("file:///", "blob:null/"))
                else faults.append(request.url)
            ),
        )
        page.goto((folder / "index.html").as_uri())
        return page

    yield opened
    assert faults == []
    context.close()


@pytest.fixture(scope="module")
def answer(pages: Callable[[str], Any]) -> Answer:
    """What the page of a model says of files: the answer that it saves."""

    def ask(model: str, *paths: Path, **given: str) -> dict[str, Any]:
        page = pages(model)
        page.locator("details").first.evaluate("(details) => { details.open = true; }")
        for name in ("leads", "rate"):
            page.fill(f"#{name}", given.get(name, ""))
        page.select_option("#unit", given.get("unit", ""))
        page.set_input_files("#files", [str(path) for path in paths])
        page.locator("#status.done, #status.fault").wait_for()
        if page.locator("#status.fault").count():
            return {"fault": page.inner_text("#status")}
        with page.expect_download() as download:
            page.click("#save")
        saved: dict[str, Any] = json.loads(Path(download.value.path()).read_text("utf-8"))
        return saved

    return ask


@functools.cache
def predictor(model: str) -> Predictor:
    return load_model(model, runtime="onnxruntime")


def with_its_files(header: Path) -> list[Path]:
    return sorted(path for path in header.parent.glob(f"{header.stem}.*"))


def assert_as_python(said: dict[str, Any], model: str, path: Path, **options: Any) -> None:
    expected = predictor(model).interpret(read(path, **options))
    assert "fault" not in said, said
    assert said["sampling_rate"] == pytest.approx(read(path, **options).sampling_rate, rel=1e-12)
    assert said["durationS"] == pytest.approx(expected.duration_s, rel=1e-9)
    if expected.refused is not None:
        assert said["refusal"]["code"] == expected.refused.code
        return
    used = said["leads"]["recorded"] + said["leads"]["derived"]
    assert tuple(used) == expected.leads_used
    if not said["isLong"]:
        probabilities = {one["name"]: one["probability"] for one in said["findings"]}
        assert probabilities == pytest.approx(
            {one.name: one.probability for one in expected.findings}, abs=TOLERANCE
        )
        assert {one["name"]: one["isPresent"] for one in said["findings"]} == {
            one.name: one.present for one in expected.findings
        }
    else:  # beyond a minute there is no averaged answer
        assert said["findings"] is None
        assert all(one.probability is None for one in expected.findings)
    assert len(said["windows"]) == len(expected.windows)
    for window, wanted in zip(said["windows"], expected.windows, strict=True):
        assert (window["refusal"] or {}).get("code") == (wanted.refused and wanted.refused.code)
        if wanted.refused is None:
            found = [one["probability"] for one in window["findings"]]
            assert found == pytest.approx(list(wanted.probabilities.values()), abs=TOLERANCE)
    codes = {one["code"] for one in said["warnings"]}
    assert codes == {one.code for one in expected.warnings} - NOT_ON_THE_PAGE


@pytest.mark.slow
@pytest.mark.parametrize("rate", [500.0, 360.0, 250.0])
@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe(browser: Any, name: str, rate: float) -> None:
    recipe = get_preprocessing(name)
    window = np.array(read(sample_path("12-lead")).resample(rate).signal)
    window = window[:, : round(min(recipe.window_s, 9.0) * rate)]
    window[1, 400:700] = np.nan
    window[4] = np.nan  # absent
    script = bundled("recipe").removesuffix("})();\n")
    page = browser.new_page()
    page.add_script_tag(content=f"{script}globalThis.run = module_recipe.standardize;\n}})();")
    made = page.evaluate(
        """([rows, rate, recipe]) => run(
          rows.map((row) => row.map((value) => value ?? NaN)), rate, recipe
        ).map((row) => row && Array.from(row))""",
        [
            [[None if np.isnan(v) else float(v) for v in row] for row in window],
            rate,
            recipe.document,
        ],
    )
    page.close()
    expected = standardize_window(window, rate, recipe)
    assert [row is None for row in made] == [k == 4 for k in range(12)]
    for row, wanted in zip(made, expected, strict=True):
        if row is not None:
            np.testing.assert_allclose(row, wanted, atol=1e-4)  # as the kernels and the reference


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "sample"),
    # The last: fibrillation reaches its threshold and is not claimed beside sinus tachycardia.
    [*itertools.product([EDGE, TWELVE], ["single-lead", "12-lead"]), (STATEMENTS, "12-lead")],
)
def test_the_samples(answer: Answer, model: str, sample: str) -> None:
    path = sample_path(sample)
    said = answer(model, *with_its_files(path))
    if (model, sample) == (TWELVE, "single-lead"):
        assert "none of the leads of this model is in the recording" in said["fault"]
    else:
        assert_as_python(said, model, path)
        heard = read(path).select(said["leads"]["recorded"])
        wanted = heart_rate_bpm(find_beats(heard.signal, heard.sampling_rate), heard.sampling_rate)
        if len(said["windows"]) == 1:
            assert said["heartRateBpm"] == pytest.approx(wanted, rel=1e-9)
        else:  # beats at the edges of windows make the difference
            assert said["heartRateBpm"] == pytest.approx(wanted, rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("lead", ["V2", "aVL"])
def test_the_lead_that_was_trained_is_read(answer: Answer, tmp_path: Path, lead: str) -> None:
    own = shutil.copytree(find_bundle(EDGE), tmp_path / "own")
    document = json.loads((own / "bundle.json").read_text(encoding="utf-8"))
    assert document["input"]["leads"] == ["I"]
    document["input"]["leads"] = [lead]
    (own / "bundle.json").write_text(json.dumps(document), encoding="utf-8")
    said = answer(str(own), *with_its_files(sample_path("12-lead")))
    assert said["leads"]["recorded"] == [lead]
    assert_as_python(said, str(own), sample_path("12-lead"))


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".edf", ".dcm"])
def test_the_same_recording_in_other_formats(answer: Answer, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"sample{suffix}"
    write(read(sample_path("12-lead")), path)
    assert_as_python(answer(TWELVE, path), TWELVE, path)


@pytest.mark.slow
def test_a_table_with_decimal_commas_and_a_clock_in_milliseconds(
    answer: Answer, tmp_path: Path
) -> None:
    recording = read(sample_path("12-lead"))
    lines = [";".join(["time [ms]", *(f"{lead} [uV]" for lead in recording.leads)])]
    lines += [
        ";".join([str(2 * k), *(f"{1000 * value:.2f}".replace(".", ",") for value in values)])
        for k, values in enumerate(recording.signal.T)
    ]
    path = tmp_path / "sample.csv"
    path.write_text("\r\n".join(lines), encoding="utf-8")
    assert_as_python(answer(TWELVE, path), TWELVE, path)


@pytest.mark.slow
@pytest.mark.parametrize("empty", [0.0, np.nan])
def test_leads_that_hold_nothing_are_derived_or_masked(
    answer: Answer, tmp_path: Path, empty: float
) -> None:
    recording = read(sample_path("12-lead"))
    signal = np.array(recording.signal)
    signal[[2, 8]] = empty  # III follows from I and II, V3 from nothing
    signal[10, 1000:1400] = np.nan
    path = tmp_path / "flat.csv"
    np.savetxt(
        path, signal.T, delimiter=",", header=",".join(f"{n} [mV]" for n in recording.leads),
        comments="", fmt="%.5f",
    )  # fmt: skip
    said = answer(TWELVE, path, rate="500")
    assert_as_python(said, TWELVE, path, sampling_rate=500.0)
    codes = {one["code"] for one in said["warnings"]}
    assert {"leads-absent", "gaps"} <= codes
    assert ("lead-unreadable" in codes) == (empty == 0.0)


@pytest.mark.slow
def test_what_a_file_does_not_say_is_asked_for(answer: Answer, fixtures: Path) -> None:
    path = fixtures / "csv" / "ecg_10s.txt"
    assert "the unit of" in answer(EDGE, path)["fault"]
    said = answer(EDGE, path, unit="uV", leads="I")
    assert_as_python(said, EDGE, path, unit="uV", leads=("I",))


@pytest.mark.slow
@pytest.mark.parametrize(("model", "size_mb"), [(EDGE, "5.5"), ("ptbxl-superclass-12lead", "6.8")])
def test_the_size_is_what_the_documentation_says(
    model: str, size_mb: str, runtime: dict[str, bytes], tmp_path: Path
) -> None:
    export_web(load_bundle(find_bundle(model)), tmp_path / "page", runtime)
    size = (tmp_path / "page" / "index.html").stat().st_size
    assert size / 1e6 == pytest.approx(float(size_mb), abs=0.1)
    text = (Path(__file__).parents[2] / "docs" / "export.md").read_text(encoding="utf-8")
    assert f"{size_mb} MB" in text


@pytest.mark.slow
def test_a_file_that_is_dropped_is_read(pages: Callable[[str], Any]) -> None:
    page = pages(EDGE)
    text = "I_mV\\n" + "0.1\\n0.2\\n" * 500
    dropped = page.evaluate_handle(
        "() => { const all = new DataTransfer();"
        f"all.items.add(new File(['{text}'], 'dropped.csv')); return all; }}"
    )
    page.dispatch_event("body", "drop", {"dataTransfer": dropped})
    page.locator("#status.fault:has-text('dropped.csv')").wait_for()
    assert "does not state its sampling rate" in page.inner_text("#status")


@pytest.mark.slow
def test_a_signal_file_alone_says_what_is_missing(answer: Answer) -> None:
    path = sample_path("12-lead").with_suffix(".mat")
    assert "drop its header (.hea) together with it" in answer(EDGE, path)["fault"]


@pytest.mark.slow
def test_flat_and_short_signals_are_refused(answer: Answer, tmp_path: Path) -> None:
    flat, short = tmp_path / "flat.csv", tmp_path / "short.csv"
    flat.write_text("I_mV\n" + "0.001\n" * 3000, "utf-8")
    short.write_text("time [ms],I [mV]\n" + "".join(f"{4 * k},{k % 7}\n" for k in range(500)))
    assert answer(EDGE, flat, rate="250")["refusal"]["code"] == "flat"
    said = answer(EDGE, short)
    assert said["sampling_rate"] == 250.0
    assert said["refusal"]["code"] == "too-short"


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", ["noise", "sine", "sawtooth", "pulse wave", "beats at 220", "slope of a pressure"]
)
def test_the_page_asks_whether_it_is_an_ecg(answer: Answer, tmp_path: Path, kind: str) -> None:
    generator = np.random.default_rng(3)
    time_s = np.arange(5000) / 250
    phase_s = time_s % (60 / 220) - 30 / 220
    signal = {
        "noise": generator.normal(0, 0.3, 5000),
        "sine": np.sin(2 * np.pi * 1.2 * time_s),
        "sawtooth": 1.3 * time_s % 1.0,
        "pulse wave": np.maximum(0, np.sin(2 * np.pi * 1.2 * time_s)) ** 3,
        "beats at 220": np.exp(-((phase_s / 0.017) ** 2))
        - 0.15 * np.exp(-(((phase_s + 0.025) / 0.014) ** 2))
        - 0.25 * np.exp(-(((phase_s - 0.026) / 0.015) ** 2))
        + generator.normal(0, 0.01, 5000),
        # Read, and in doubt: nothing is decided.
        "slope of a pressure": np.tile(
            as_leads("slope of a pressure", np.random.default_rng([1, 7]), 2500, 250.0, 1, False)[
                0
            ],
            2,
        ),
    }[kind]
    path = tmp_path / "signal.csv"
    path.write_text("I_mV\n" + "".join(f"{value:.5f}\n" for value in signal), encoding="utf-8")
    said = answer(EDGE, path, rate="250")
    assert_as_python(said, EDGE, path, sampling_rate=250.0)
    assert (said["refusal"] is None) == (kind in ("beats at 220", "slope of a pressure"))
    if kind == "slope of a pressure":
        decided = [*said["findings"], *said["windows"][0]["findings"]]
        assert {one["isPresent"] for one in decided} == {None}
        assert "may-be-no-ecg" in {one["code"] for one in said["warnings"]}
    recording = read(path, sampling_rate=250.0)
    _, beats = judge_and_find_beats(recording.signal, 250.0, recording.leads)
    assert beats is not None
    assert said["windows"][0]["beats"] == beats.tolist()


@pytest.mark.slow
def test_the_paper_is_true_to_scale(answer: Answer, pages: Callable[[str], Any]) -> None:
    answer(TWELVE, *with_its_files(sample_path("12-lead")))
    page = pages(TWELVE)
    page.locator("#scale").evaluate(
        "(range) => { range.value = 4; range.dispatchEvent(new Event('input')); }"
    )
    box = page.locator("#paper").bounding_box()
    card = page.locator("#card").evaluate("(bar) => bar.style.width")
    assert card == "342.4px"  # 85.6 mm
    assert box["width"] == pytest.approx((12 + 10 * 25) * 4)  # the margin, and 25 mm/s for 10 s


def real_files(shared_data: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    """Twenty files of six sources, with the model that reads them."""
    for archive, prefix, names, model in (
        ("cinc2017_training2017.zip", "training2017/", [f"A0000{k}" for k in "12356789"], EDGE),
        ("ptbxl_raw.zip", "records500/00000/", [f"0000{k}_hr" for k in "12345"], TWELVE),
        ("mitbih_arrhythmia.zip", "mitdb/", ["100"], EDGE),
    ):
        with zipfile.ZipFile(shared_data / archive) as packed:
            for name in names:
                for member in packed.namelist():
                    if member.startswith(f"{prefix}{name}."):
                        (folder / Path(member).name).write_bytes(packed.read(member))
                yield model, folder / f"{name}.hea"
    raw = sorted((shared_data / "formats" / "cinc2021_wfdb_mat4").rglob("*.hea"))
    yield from ((TWELVE, path) for path in raw[:: len(raw) // 5][:5])
    yield TWELVE, shared_data / "formats" / "dicom" / "waveform_ecg.dcm"


@pytest.mark.slow
def test_twenty_real_files(answer: Answer, shared_data: Path, tmp_path: Path) -> None:
    files = list(real_files(shared_data, tmp_path))
    assert len(files) == 20
    for model, path in files:
        dropped = with_its_files(path) if path.suffix == ".hea" else [path]
        assert_as_python(answer(model, *dropped), model, path)
