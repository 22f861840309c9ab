"""The recipes of ``rhythm-single-lead`` and its edge network, end to end on small made-up data."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import scipy.io

torch = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402

from ecgfoundry.metrics.calibration import fit_calibrator  # noqa: E402
from ecgfoundry.models.networks.rhythm import RhythmNet  # noqa: E402
from ecgfoundry.recording import Annotation  # noqa: E402
from ecgfoundry.training.recipes import ensembles as committees  # noqa: E402
from ecgfoundry.training.recipes import rhythm_single_lead as recipe  # noqa: E402
from ecgfoundry.training.recipes import rhythm_single_lead_edge as edge_recipe  # noqa: E402
from ecgfoundry.training.recipes.rhythm_single_lead import (  # noqa: E402
    data,
    measuring,
    members,
    refining,
    sources,
)
from ecgfoundry.training.shipped import train_shipped  # noqa: E402
from ecgfoundry.training.shipped.descriptions import RHYTHM_EDGE  # noqa: E402

COUNTS = {"N": 60, "A": 20, "O": 30, "~": 10}


@pytest.fixture(scope="module")
def data_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Impulse trains at 300 Hz whose regularity depends on the label, 9 to 40 s."""
    generator = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("data") / "training2017.zip"
    labels = [label for label, count in COUNTS.items() for _ in range(count)]
    with zipfile.ZipFile(path, "w") as archive:
        for number, label in enumerate(labels):
            samples = int(generator.uniform(9, 40) * 300)
            signal = generator.normal(0, 200 if label == "~" else 10, samples)
            spread = {"N": 0.0, "A": 80.0, "O": 20.0, "~": 0.0}[label]
            beats = np.cumsum(np.clip(generator.normal(250, spread, 200), 100, 500)).astype(int)
            signal[beats[beats < samples]] += 1000
            buffer = io.BytesIO()
            scipy.io.savemat(buffer, {"val": signal[None].astype(np.int16)}, format="4")
            archive.writestr(f"training2017/A{number:05d}.mat", buffer.getvalue())
        lines = [f"A{number:05d},{label}\n" for number, label in enumerate(labels)]
        archive.writestr("training2017/REFERENCE.csv", "".join(lines))
    # Version 3 corrects the first record from normal to other.
    (path.parent / "REFERENCE-v3.csv").write_text("A00000,O\n" + "".join(lines[1:]))
    return path


def test_parts_are_stratified_and_decided_by_the_name(data_zip: Path) -> None:
    recordings = recipe.read(data_zip)
    part = data.parts(recordings, 3)
    for label, count in COUNTS.items():
        own = [
            (hashlib.sha256(f"ecgfoundry-cinc2017:{name}".encode()).hexdigest(), p)
            for name, p, c in zip(recordings.names, part, recordings.classes, strict=True)
            if recipe.LABELS[c] == label
        ]
        ordered = [p for _, p in sorted(own)]
        holdout = round(0.15 * count)
        validation = round(0.10 * count)
        assert ordered[:holdout] == ["holdout"] * holdout
        assert ordered[holdout : holdout + validation] == ["validation"] * validation
        assert set(ordered[holdout + validation :]) == {"fold0", "fold1", "fold2"}


def test_a_training_copy_of_a_held_back_recording_is_not_used(data_zip: Path) -> None:
    recordings = recipe.read(data_zip)
    part = data.parts(recordings, 3)
    held, train = part.index("holdout"), part.index("fold0")
    recordings.raw[train] = recordings.raw[held].copy()
    again = data.parts(recordings, 3)
    assert again[train] == "duplicate"
    assert again[held] == "holdout"


def test_training_crops_are_standardized_and_padded_like_the_bundle(data_zip: Path) -> None:
    raw = recipe.read(data_zip).raw
    signal = next(x for x in raw if len(x) < 30 * 300)
    ours = data.standardized(data.filtered(signal), 6000)
    assert ours == pytest.approx(data.prepared([signal])[0][0], abs=1e-4)


@pytest.fixture(scope="module")
def small_settings():
    """Tiny networks, one epoch, few draws; for the whole module."""
    with pytest.MonkeyPatch.context() as patch:
        small = {"stem_channels": 4, "channels": [4, 4, 4, 4], "dilations": [1]}
        patch.setattr(members, "ARCHITECTURE", {**members.ARCHITECTURE, **small})
        wider = {**edge_recipe.ARCHITECTURE, **small, "dilations": [2]}
        patch.setattr(edge_recipe, "ARCHITECTURE", wider)
        for owner, name in (
            (members, "TEACHER"), (members, "STUDENT"), (refining, "SETTINGS"),
            (edge_recipe, "SETTINGS"), (edge_recipe, "REFINING"),
        ):  # fmt: skip
            patch.setattr(owner, name, replace(getattr(owner, name), epochs=1))
        for owner in (measuring, edge_recipe):
            patch.setattr(owner, "statistic_interval", partial(owner.statistic_interval, draws=50))
        yield


@pytest.fixture(scope="module")
def done(data_zip: Path, tmp_path_factory: pytest.TempPathFactory, small_settings):
    """Figures and folder of a finished run of tiny networks, one epoch each."""
    folder = tmp_path_factory.mktemp("work") / edge_recipe.COMMITTEE
    return recipe.run(data_zip, folder, seed=3, folds=2, student_count=2), folder


@pytest.fixture(scope="module")
def edge(done, data_zip: Path):
    """Figures and folder of the edge network, which learns from the committee beside it."""
    folder = done[1].parent / RHYTHM_EDGE.name
    return edge_recipe.run(data_zip, folder, seed=3, folds=2), folder


def test_what_is_measured_has_not_learned_from_the_quarter_left_out(done) -> None:
    metrics, folder = done
    # 15 + 10 % of 60, 20, 30 and 10, rounded class by class: 9 + 6, 3 + 2, 4 + 3, 2 + 1.
    assert metrics["left_out"]["records"] == np.sum(metrics["left_out"]["confusion"]) == 30
    assert metrics["records"] == {"measured": 90, "all": 120}
    low, high = metrics["left_out"]["f1_mean_NAO_ci95"]
    assert low <= metrics["left_out"]["f1_mean_NAO"] <= high
    assert 0.0 <= metrics["left_out_noise"]["changed"] <= 1.0
    assert json.loads((folder / "metrics.json").read_text()) == metrics
    document = json.loads((folder / "calibration.json").read_text())["calibration"]
    assert "30 records" in document["fitted_on"]


def test_short_windows_are_calibrated_apart_on_the_network_that_is_shipped(
    done, data_zip: Path
) -> None:
    """Scale and offset are those of its own answers to every 10-s window of the 120 records."""
    metrics, folder = done
    found = metrics["left_out_10s_calibration"]
    assert set(found) == {"as_window", "short_window"}
    assert found["as_window"]["labelled_A"] == found["short_window"]["labelled_A"] > 0
    document = json.loads((folder / "calibration.json").read_text())["calibration"]
    recordings = data.read(data_zip)
    cut = data.prepared(recordings.raw, 10.0)
    windows = [window for windows in cut for window in windows]
    assert document["short_fitted_on"] == (
        "10-s windows of the 120 records of CinC 2017 that it learned from "
        f"({len(windows)} windows)"
    )
    classes = np.repeat(recordings.classes, [len(windows) for windows in cut])
    logits = measuring.window_logits(recipe.read_network(folder), windows)
    expected = fit_calibrator(logits, classes, method="vector", multiclass=True)
    assert document["short_window"]["scale"] == pytest.approx(expected.scale, rel=1e-6)
    assert document["short_window"]["offset"] == pytest.approx(expected.offset, rel=1e-6)
    assert document["short_window"] != document["window"]


def test_the_shipped_network_is_the_one_of_all_records_in_half_precision(done) -> None:
    _, folder = done
    config = json.loads((folder / "config.json").read_text())["configuration"]
    assert config["members"] == 2  # the students
    network = RhythmNet(**config)
    stored = load_file(folder / "model.safetensors")
    assert all(t.dtype == torch.float16 for t in stored.values() if t.ndim > 1)
    network.load_state_dict(stored)
    first = load_file(folder / "all" / "member0.safetensors")["members.0.attention.weight"]
    assert torch.equal(stored["members.0.attention.weight"], first.half())
    other = load_file(folder / "measured" / "member0.safetensors")["members.0.attention.weight"]
    assert not torch.equal(first, other)


def test_without_labels_of_version_3_it_says_where_they_belong(
    data_zip: Path, tmp_path: Path
) -> None:
    alone = tmp_path / "training2017.zip"
    alone.write_bytes(data_zip.read_bytes())
    with pytest.raises(FileNotFoundError, match=r"REFERENCE-v3\.csv"):
        data.load(alone, 3)


def test_a_corrected_label_is_learned_and_measured_as_it_was(data_zip: Path) -> None:
    loaded = data.load(data_zip, 3)
    assert (loaded.classes[0], loaded.newest[0]) == (0, 2)
    assert (loaded.classes[1:] == loaded.newest[1:]).all()
    lessons = refining.Lessons.of(loaded, np.arange(2), np.zeros((120, 4)), (), refining.DIETS[0])
    # The committee had learned the old label; a share of 1/4 of even odds is 1/16 per class.
    np.testing.assert_allclose(lessons.targets, [[0, 0, 1, 0], [0.8125, 0.0625, 0.0625, 0.0625]])


def test_a_committee_comes_apart_into_members_whose_mean_it_is() -> None:
    torch.manual_seed(0)
    small = {"stem_channels": 4, "channels": [4, 4, 4, 4], "dilations": [1]}
    committee = RhythmNet(**{**members.ARCHITECTURE, **small, "members": 3}).eval()
    parts = [one.eval() for one in refining.separate(committee)]
    x = torch.randn(2, 1, 2000)
    with torch.no_grad():
        mean = torch.stack([one(x) for one in parts]).mean(0)
        torch.testing.assert_close(mean, committee(x))
    assert len(parts) == 3 and not torch.allclose(parts[0](x), parts[1](x))


def test_leads_of_other_data_sets_take_the_last_rows_of_a_batch() -> None:
    others = [
        sources.KnownRhythm("x/1", np.full((2, 3000), 1.0, np.float32), 2),
        sources.KnownRhythm("x/2", np.full((1, 3000), 1.0, np.float32), 1),
    ]
    signals = [np.random.default_rng(0).normal(size=7000).astype(np.float32)] * 56
    targets = np.eye(4, dtype=np.float32)[[0] * 56]
    diet = members.Diet(rows=4, balance=0.5, blocks=True)
    lessons = refining.Lessons(signals, np.zeros(56, np.int64), targets, others, diet)
    assert lessons.steps == 2  # 28 of the 32 rows are recordings
    for inputs, wanted in lessons.sampler()(0, np.random.default_rng(0)):
        assert inputs.shape[0] == 32
        assert (wanted[:28, 0] == 1).all() and (wanted[28:, :1] == 0).all()
        assert (wanted[28:].sum(1) == 1).all()


def test_sinus_rhythm_with_block_is_drawn_like_a_class_where_the_diet_says_so() -> None:
    leads = np.zeros((1, 3000), np.float32)
    normal, block = (sources.KnownRhythm(str(b), leads, 0, block=b) for b in (False, True))
    flutter = sources.KnownRhythm("f", leads, 2, block=True)
    assert [one.group(blocks=True) for one in (normal, block, flutter)] == [0, 4, 2]
    assert [one.group(blocks=False) for one in (normal, block, flutter)] == [0, 0, 2]
    many = [sources.KnownRhythm("x", leads, 0)] * 30
    # 12 of a record and group, evenly spread.
    assert len(sources.thinned(many)) == 12 and len(sources.thinned([*many, block])) == 13


@pytest.mark.parametrize(
    ("rhythm", "beats", "label"),
    [
        ("(N", "NNNLLR", 0),  # bundle-branch block does not make a rhythm
        ("(N", "NNVNNN", None),  # one ectopic beat may not be in the crop
        ("(N", "NVNVNN", 2),
        ("(N", "NNQNNN", None),
        ("(AFIB", "NNVNNN", 1),
        ("(AFL", "NNNNNN", 2),
        ("(P", "//////", None),  # the atrial rhythm is not stated
    ],
)
def test_the_label_of_a_window_of_mit_bih(rhythm: str, beats: str, label: int | None) -> None:
    marks = [Annotation(0.1, "rhythm", rhythm)]
    codes = [Annotation(1.0 + k, "beat", code) for k, code in enumerate(beats)]
    assert sources.window_label(marks, codes, 0.0, 15.0) == label
    change = [*marks, Annotation(9.0, "rhythm", "(VT")]
    assert sources.window_label(change, codes, 0.0, 15.0) is None


def test_no_record_that_is_tested_on_is_learned_from(shared_data: Path) -> None:
    # DS1 and DS2 of de Chazal et al. 2004; 102, 104, 107 and 217 are paced and in neither.
    assert len(sources.TEST_RECORDS) == 22
    first = {101, 106, 108, 109, 112, 114, 115, 116, 118, 119, 122, 124, 201, 203, 205, 207, 208,
             209, 215, 220, 223, 230}  # fmt: skip
    assert not {str(number) for number in first} & sources.TEST_RECORDS
    with zipfile.ZipFile(shared_data / "mitbih_arrhythmia.zip") as archive:
        names = {Path(name).stem for name in archive.namelist() if name.endswith(".hea")}
    assert names & sources.TEST_RECORDS == {"100", "113", "117", "212", "222", "231"}


def test_half_of_a_target_is_the_answer_of_the_committee_to_the_very_crop() -> None:
    torch.manual_seed(0)
    teacher = RhythmNet(**{**members.ARCHITECTURE, "channels": [4, 4, 4, 4]}).eval()
    generator = np.random.default_rng(0)
    signals = [generator.normal(size=7000).astype(np.float32) for _ in range(members.BATCH)]
    classes = np.arange(members.BATCH) % 4
    targets = np.eye(4, dtype=np.float32)[classes]
    alone, taught = (
        members.Sampler(signals, classes, targets, 2, members.STUDENT_CROP_SHARES, teacher=one)
        for one in (None, teacher)
    )
    batches = zip(
        alone(0, np.random.default_rng(1)), taught(0, np.random.default_rng(1)), strict=True
    )
    for (inputs, own), (same, blended) in batches:
        assert torch.equal(inputs, same)
        with torch.no_grad():
            answer = torch.softmax(teacher(inputs), dim=1)
        torch.testing.assert_close(blended, (own + answer) / 2)
        assert not blended.requires_grad


def test_the_smaller_network_is_trained_and_measured(edge) -> None:
    figures, folder = edge
    configuration = json.loads((folder / "config.json").read_text())["configuration"]
    network = RhythmNet(**configuration)
    stored = load_file(folder / "model.safetensors")
    assert all(t.dtype == torch.float16 for t in stored.values() if t.ndim > 1)
    network.load_state_dict(stored)
    assert configuration["members"] == 1
    assert configuration["dilations"] == [2]
    (curve,) = [json.loads(row) for row in (folder / "curves.jsonl").read_text().splitlines()]
    assert curve["member"] == "member0"
    assert figures["parameters"] == sum(p.numel() for p in network.parameters())
    assert json.loads((folder / "metrics.json").read_text()) == figures


def test_the_committee_beside_it_is_the_one_of_its_own_recipe(done, edge) -> None:
    (committee, _), (own, _) = done, edge
    compared = own["against_committee"]["30 s"]
    assert compared["records"] == sum(round(0.15 * n) + round(0.1 * n) for n in COUNTS.values())
    for name in ("auroc_A", "f1_mean_NAO"):
        figures = compared[name]
        assert figures["committee"] == pytest.approx(committee["left_out"][name], abs=1e-9)
        assert figures["edge"] == pytest.approx(own["left_out"][name], abs=1e-9)
        assert figures["difference"] == pytest.approx(figures["edge"] - figures["committee"])
        if figures["difference_ci95"] is not None:  # None where no draw changes the difference
            low, high = figures["difference_ci95"]
            assert low < high
    each = [compared[f"auroc_{label}"]["edge"] for label in recipe.LABELS]
    assert compared["auroc_macro"]["edge"] == pytest.approx(np.mean(each))


def test_the_noise_is_the_same_at_every_call_and_lies_in_its_band(data_zip: Path) -> None:
    loaded = data.load(data_zip, 3)
    rows = np.array([0, 1])
    once, twice = measuring.with_noise(loaded, rows), measuring.with_noise(loaded, rows)
    for i, signal, again in zip(rows, once, twice, strict=True):
        np.testing.assert_array_equal(signal, again)
        noise = signal.astype(np.float64) - loaded.raw[i]
        # 6 dB: 10 ** (-6 / 20) = 0.501 of the filtered recording's standard deviation.
        assert noise.std() == pytest.approx(0.501 * loaded.filtered[i].std(), rel=1e-3)
        power = np.abs(np.fft.rfft(noise)) ** 2
        frequency = np.fft.rfftfreq(len(noise), 1 / 300)
        assert power[(frequency >= 5) & (frequency <= 40)].sum() > 0.999 * power.sum()
    louder = measuring.with_noise(loaded, rows, np.array([6.0, 0.0]))
    np.testing.assert_array_equal(louder[0], once[0])
    growth = (louder[1].astype(np.float64) - loaded.raw[1]).std() / noise.std()
    assert growth == pytest.approx(10 ** (6 / 20), rel=1e-3)  # from 6 to 0 dB


def test_a_layer_on_its_answers_and_on_features_is_compared_with_it(
    done, data_zip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its own row is the recipe's figure; a second run asks nobody and says the same."""
    stack = pytest.importorskip("benchmarks.experiments.rhythm_stack")
    metrics, folder = done
    arguments = ["--data", str(data_zip.parent), "--work", str(folder.parent)]
    stack.main(arguments)
    said = capsys.readouterr().out
    assert {path.name for path in (folder / "stack").iterdir()} == {
        "known.npz", "known_noisy.npz", "left_out.npz", "noisy.npz"
    }  # fmt: skip
    left = metrics["left_out"]
    assert f"| the network | {left['f1_mean_NAO']:.4f} | {left['log_loss']:.4f} |" in said
    assert f"| the network | {metrics['left_out_noise']['changed']:.1%} |" in said
    window = metrics["left_out_10s"]["windows"]
    assert f"| the network | {window['f1_mean_NAO']:.4f} | {window['log_loss']:.4f} |" in said
    stack.main(arguments)
    again = capsys.readouterr().out
    assert again == said[said.index("\n| whole recordings") :]


def test_a_finished_run_does_not_train_again(edge, data_zip: Path, monkeypatch) -> None:
    figures, folder = edge
    monkeypatch.setattr(committees, "fit", None)
    assert edge_recipe.run(data_zip, folder, seed=3, folds=2) == figures


def test_it_becomes_a_bundle_whose_card_names_the_differences(edge, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    own, trained = edge
    work, name = trained.parent, RHYTHM_EDGE.name
    folder = train_shipped(name, tmp_path, work, tmp_path / "bundles", train=False)
    document = json.loads((folder / "bundle.json").read_text())
    (metric,) = [
        m for m in document["metrics"]
        if m["name"].startswith("macro AUROC, less") and m["data"].endswith("30 s")
    ]  # fmt: skip
    wanted = own["against_committee"]["30 s"]["auroc_macro"]["difference"]
    assert metric["value"] == pytest.approx(wanted)
    assert "Multiply-adds" in (folder / "README.md").read_text()
