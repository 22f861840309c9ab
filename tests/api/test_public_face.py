"""What a researcher reaches as ``ecgfoundry.NAME``: the same steps as the commands."""

from __future__ import annotations

import inspect
import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ecgfoundry
from ecgfoundry.errors import ModelNotFoundError, SignalError
from ecgfoundry.samples import sample_path

pytest.importorskip("polars")

EDGE = "rhythm-single-lead-edge"


def test_every_name_is_there_and_documented() -> None:
    for name in ecgfoundry.__all__:
        thing = getattr(ecgfoundry, name)
        assert name == "__version__" or inspect.getdoc(thing), name
    assert {
        "read", "open", "write", "load_model", "list_models", "create_model", "standardize",
        "explain", "embed", "read_manifest", "finetune", "pretrain", "evaluate", "compare",
        "calibrate", "export_model", "serve", "Recording", "Dataset",
    } <= set(ecgfoundry.__all__)  # fmt: skip


def test_the_import_is_light() -> None:
    code = "import sys, ecgfoundry; print(sorted({'numpy', 'torch', 'polars'} & set(sys.modules)))"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300
    )
    assert found.stdout.strip() == "[]"


def test_models_as_a_list_and_a_frame() -> None:
    found = {model.name: model for model in ecgfoundry.list_models()}
    edge = found[EDGE]
    assert (edge.where, edge.lead_mode, edge.sampling_rate, edge.window_s) == (
        "shipped", "any-single", 200.0, 30.0,
    )  # fmt: skip
    assert edge.targets == ("normal", "atrial fibrillation", "other rhythm", "noisy")
    frame = ecgfoundry.list_models().to_frame()
    assert frame.filter(frame["name"] == "ptbxl-superclass-12lead")["window_s"].to_list() == [10.0]


def test_interpret_is_what_the_predictor_says() -> None:
    path = sample_path("single-lead")
    model = ecgfoundry.load_model(EDGE, threads=1)
    wanted = model.interpret(ecgfoundry.read(path)).to_dict()
    for source in ("sample:single-lead", path, ecgfoundry.read(path)):
        found = ecgfoundry.interpret(source, model=model).to_dict()
        assert found["findings"] == wanted["findings"]
    by_itself = ecgfoundry.interpret("sample:12-lead")
    assert by_itself.model == "ptbxl-superclass-12lead"


def test_explain_draws(tmp_path: Path) -> None:
    model = ecgfoundry.load_model(EDGE, threads=1)
    found = ecgfoundry.explain("sample:single-lead", "noisy", model=model, by="time")
    assert found.saliency.target == "noisy" and found.answer.startswith("noisy: not present")
    assert found._repr_html_().startswith("<svg")
    assert found.save(tmp_path / "a.svg").read_text().startswith("<svg")
    with pytest.raises(ecgfoundry.EcgFoundryError, match=r"Use \.svg or \.html"):
        found.save(tmp_path / "a.png")


def arrays(folder: Path) -> Path:
    """Thirty recordings of lead I at 200 Hz; the odd ones have a late wave. No two are alike."""
    generator = np.random.default_rng(4)
    time = np.arange(2000) / 200
    signal = generator.normal(0, 0.01, (30, 1, 2000))
    for k in range(30):
        phase = (time + generator.uniform(0, 0.8)) % 0.8
        signal[k, 0] += np.exp(-(((phase - 0.2) / 0.02) ** 2))
        signal[k, 0] += (k % 2) * 0.7 * np.exp(-(((phase - 0.55) / 0.05) ** 2))
    np.save(folder / "x.npy", signal.astype(np.float32))
    (folder / "x.json").write_text(json.dumps({"leads": ["I"], "sampling_rate": 200, "unit": "mV"}))
    lines = ["record,path,index,patient,split,target:A"]
    for k in range(30):
        lines.append(f"r{k:02d},x.npy,{k},p{k},{'train' if k < 20 else 'test'},{k % 2}")
    (folder / "m.csv").write_text("\n".join(lines) + "\n")
    return folder / "m.csv"


def test_embeddings_of_a_table_and_of_a_recording(tmp_path: Path) -> None:
    table = arrays(tmp_path)
    model = ecgfoundry.load_model(EDGE, threads=1)
    frame = ecgfoundry.embed(table, EDGE)
    assert frame["record"].to_list() == [f"r{k:02d}" for k in range(30)]
    manifest = ecgfoundry.read_manifest(table)
    one = model.embed(manifest.open(manifest.rows[7]))
    np.testing.assert_allclose(frame["embedding"].to_list()[7], one.mean(axis=0), rtol=1e-4)
    kept = ecgfoundry.embed(table, EDGE, tmp_path / "e.parquet")
    assert kept.shape == frame.shape and (tmp_path / "e.parquet").is_file()
    flat = ecgfoundry.Recording.from_array(
        np.zeros((1, 2000)), sampling_rate=200, leads=("I",), unit="mV"
    )
    with pytest.raises(SignalError):
        model.embed(flat)


def test_a_network_with_its_weights() -> None:
    torch = pytest.importorskip("torch")
    network = ecgfoundry.from_pretrained(EDGE)
    spec = network.input_spec
    window = np.random.default_rng(0).normal(0, 1, (2, 1, spec.samples)).astype(np.float32)
    with torch.no_grad():
        logits = network(torch.from_numpy(window)).numpy()
        other = ecgfoundry.from_pretrained(EDGE, classes=7)(torch.from_numpy(window))
    model = ecgfoundry.load_model(EDGE, threads=1)
    np.testing.assert_allclose(logits, model.logits(window), atol=1e-3)
    assert other.shape == (2, 7)
    with pytest.raises(ModelNotFoundError):
        ecgfoundry.from_pretrained("nobody/nothing")


def test_windows_for_a_loop_of_ones_own(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    table = arrays(tmp_path)
    windows = ecgfoundry.Dataset(table, EDGE, split="train")
    assert len(windows) == 20 and windows.targets == ("A",)
    assert windows.groups[3] == "p3" and windows.records[3] == "r03"
    signal, target = windows[3]
    assert signal.shape == (1, 6000) and target.tolist() == [1.0]
    recording = ecgfoundry.read_manifest(table).open(ecgfoundry.read_manifest(table).rows[3])
    wanted = ecgfoundry.standardize(recording, windows.spec.recipe)
    np.testing.assert_array_equal(signal[:, :2000], np.nan_to_num(wanted[0][:, :2000]))
    loader = torch.utils.data.DataLoader(windows, batch_size=8)
    sizes = [len(batch) for batch, _ in loader]
    assert sizes == [8, 8, 4]
    both = ecgfoundry.Dataset(table, "ptbxl-superclass-12lead")
    (signal, presence), _ = both[0]
    assert signal.shape == (12, 2500) and presence.tolist() == [1.0] + [0.0] * 11


def test_evaluate_and_compare(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    from ecgfoundry.evaluation.settings import Settings
    from tests.bundles import make_bundle

    time = np.arange(5000) / 500
    beat = np.exp(-(((time % 0.8 - 0.3) / 0.012) ** 2))
    noise = np.random.default_rng(3).normal(0, 0.01, (30, 2, 5000))
    signal = np.stack([(1 + k % 2) * np.stack([beat, 0.5 * beat]) + noise[k] for k in range(30)])
    np.save(tmp_path / "x.npy", signal.astype(np.float32))
    side = {"leads": ["I", "II"], "sampling_rate": 500, "unit": "mV"}
    (tmp_path / "x.json").write_text(json.dumps(side))
    rows = [f"{k:02d},x.npy,{k},p{k},{k % 2}" for k in range(30)]
    table = tmp_path / "m.csv"
    table.write_text("\n".join(["record,path,index,patient,target:A", *rows]) + "\n")
    make_bundle(tmp_path / "tiny", np.random.default_rng(0).normal(size=(3, 2)))
    quick = Settings.of(draws=0, seed=0, controls=False)
    found = ecgfoundry.evaluate(tmp_path / "tiny", table, tmp_path / "out", settings=quick)
    frame = found.to_frame()
    assert frame["target"].to_list() == ["A"] and frame["n"].to_list() == [30]
    assert frame["positives"].to_list() == [15]
    assert found.summary.startswith("30 records, 1 targets, macro AUROC")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "groups.csv", "metrics.csv", "metrics.json", "predictions.csv", "report.html",
        "targets.csv",
    ]  # fmt: skip
    both = ecgfoundry.compare(tmp_path / "out", tmp_path / "out", settings=quick)
    assert both.paired and both.to_frame()["difference"].to_list() == [0.0]
    done = ecgfoundry.calibrate(tmp_path / "tiny", table, tmp_path / "own")
    assert done.fitted == ("A",) and (tmp_path / "own" / "bundle.json").is_file()


@pytest.mark.slow
def test_estimators_of_scikit_learn(tmp_path: Path) -> None:
    sklearn = pytest.importorskip("sklearn")
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import make_pipeline

    arrays(tmp_path)
    signals = np.load(tmp_path / "x.npy")
    labels = np.array(["late" if k % 2 else "plain" for k in range(30)])
    given = {"leads": ("I",), "sampling_rate": 200}
    classifier = ecgfoundry.EcgClassifier(EDGE, **given)
    assert sklearn.base.clone(classifier).get_params() == classifier.get_params()
    scores = cross_val_score(classifier, signals, labels, cv=3)
    assert len(scores) == 3 and scores.mean() > 0.9
    classifier.fit(signals, labels)
    assert classifier.classes_.tolist() == ["late", "plain"]
    chances = classifier.predict_proba(signals)
    np.testing.assert_allclose(chances.sum(axis=1), 1.0)
    again = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_allclose(again.predict_proba(signals), chances, rtol=1e-6)
    recordings = [
        ecgfoundry.Recording.from_array(one, sampling_rate=200, leads=("I",), unit="mV")
        for one in signals[:4]
    ]
    np.testing.assert_allclose(classifier.predict_proba(recordings), chances[:4], rtol=1e-6)
    features = ecgfoundry.EcgEmbedding(EDGE, **given)
    pipeline = make_pipeline(features, LogisticRegression()).fit(signals, labels)
    assert pipeline.score(signals, labels) > 0.9
    with pytest.raises(sklearn.exceptions.NotFittedError):
        ecgfoundry.EcgClassifier(EDGE, **given).predict(signals)
    with pytest.raises(SignalError, match="neither its leads nor its rate"):
        ecgfoundry.EcgClassifier(EDGE).fit(signals, labels)
    values = np.array([1.0 + k % 2 for k in range(30)])
    regressor = ecgfoundry.EcgRegressor(EDGE, **given).fit(signals, values)
    assert np.abs(regressor.predict(signals) - values).mean() < 0.3


@pytest.mark.slow
def test_fine_tuned_estimators(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    arrays(tmp_path)
    signals = np.load(tmp_path / "x.npy")
    labels = np.array(["late" if k % 2 else "plain" for k in range(30)])
    settings = ecgfoundry.FinetuneSettings.of(mode="probe", threads=1)
    given = {"leads": ("I",), "sampling_rate": 200, "mode": "finetune", "settings": settings}
    classifier = ecgfoundry.EcgClassifier(EDGE, output=tmp_path / "c", **given)
    classifier.fit(signals, labels, groups=np.arange(30))
    assert (tmp_path / "c" / "run" / "bundle" / "bundle.json").is_file()
    assert (classifier.predict(signals) == labels).mean() > 0.8
    again = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_allclose(again.predict_proba(signals), classifier.predict_proba(signals))
    ages = np.linspace(30, 70, 30)
    regressor = ecgfoundry.EcgRegressor(EDGE, **given).fit(signals, ages)
    assert regressor.predict(signals[:2]).shape == (2,)
