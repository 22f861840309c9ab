"""Fine-tuning: where it starts, what it freezes, what it computes, what it leaves behind."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ecgfoundry.errors import ModelNotFoundError, TrainingError  # noqa: E402
from ecgfoundry.formats.wfdb.writer import write_wfdb  # noqa: E402
from ecgfoundry.leads import STANDARD_12_LEADS, project_frontal  # noqa: E402
from ecgfoundry.manifest import ColumnMapping, Manifest, ManifestRow, read_recordings  # noqa: E402
from ecgfoundry.models.bundle import InputSpec  # noqa: E402
from ecgfoundry.models.registry import ARCHITECTURES, create_model  # noqa: E402
from ecgfoundry.preprocessing import get_preprocessing  # noqa: E402
from ecgfoundry.tasks import TASKS, Task  # noqa: E402
from ecgfoundry.training.channels_last import ChannelsLastNet1D, fast_form  # noqa: E402
from ecgfoundry.training.data import augmentation  # noqa: E402
from ecgfoundry.training.data.augmentations import AUGMENTATIONS  # noqa: E402
from ecgfoundry.training.data.sources import ArraySource, cache_manifest  # noqa: E402
from ecgfoundry.training.data.windows import store_windows  # noqa: E402
from ecgfoundry.training.finetuning import FinetuneSettings, finetune  # noqa: E402
from ecgfoundry.training.fit_settings import FitSettings  # noqa: E402
from ecgfoundry.training.initialization import (  # noqa: E402
    start_from,
)
from ecgfoundry.training.loop import fit  # noqa: E402
from ecgfoundry.training.probing import fit_linear_probe, put_into  # noqa: E402
from ecgfoundry.training.schedules import learning_rate_at  # noqa: E402
from ecgfoundry.training.stages import (  # noqa: E402
    classifier_of,
    freeze_all_but,
    training_stages,
)
from ecgfoundry.vocabularies import Target, Vocabulary  # noqa: E402
from tests.training.small_data import age_table, twelve_leads  # noqa: E402


def small(name: str) -> torch.nn.Module:
    """An architecture, narrow where it can be."""
    if name.startswith("net1d"):
        return create_model(name, classes=3, widths=(16, 32), blocks=(1, 1))
    if name == "ecg-fm":
        return create_model(name, classes=3, width=64, layers=2, hidden=32, channels=16)
    if name == "ecg-cpc":
        return create_model(name, classes=3, width=24, layers=1)
    return create_model(name, classes=3)


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_every_architecture_can_be_trained_frozen_and_probed(name: str) -> None:
    network = small(name).eval()
    head = classifier_of(network)
    leads, samples = ARCHITECTURES[name].example_shape
    inputs = [torch.randn(2, leads, samples)]
    if ARCHITECTURES[name].takes_presence:
        inputs.append(torch.ones(2, leads))
    with torch.no_grad():
        features, logits = network.forward_features(*inputs), network(*inputs)
        # The classifier is linear on the embedding: what a probe relies on.
        torch.testing.assert_close(head(features), logits, rtol=1e-4, atol=1e-5)
    stages = training_stages(network)
    assert stages[-1][1] is head and len(stages) >= 2
    learning = freeze_all_but(network, 1)
    assert learning == [stages[-2][0], "classifier"]
    open_now = {id(p) for p in network.parameters() if p.requires_grad}
    allowed = {id(p) for _, part in stages[-2:] for p in part.parameters()}
    assert open_now and open_now <= allowed
    with pytest.raises(TrainingError, match="stages before its classifier"):
        freeze_all_but(network, 99)


def test_channels_last_is_the_same_network() -> None:
    torch.manual_seed(0)
    for leads, samples in ((12, 5000), (1, 999)):
        network = create_model(
            "net1d-tiny", classes=3, leads=leads, widths=(16, 32, 48), blocks=(2, 1, 2)
        )
        fast = fast_form(network)
        assert isinstance(fast, ChannelsLastNet1D)
        assert {id(p) for p in fast.parameters()} == {id(p) for p in network.parameters()}
        x = torch.randn(3, leads, samples)
        torch.testing.assert_close(fast(x), network(x), rtol=1e-4, atol=1e-5)
        network(x).square().sum().backward()
        expected = {n: p.grad.clone() for n, p in network.named_parameters() if p.grad is not None}
        network.zero_grad()
        fast(x).square().sum().backward()
        for name, parameter in network.named_parameters():
            if parameter.grad is not None:
                torch.testing.assert_close(parameter.grad, expected[name], rtol=1e-3, atol=1e-4)
    other = torch.nn.Linear(2, 2)
    assert fast_form(other) is other


def test_step_and_plateau_schedules() -> None:
    step = FitSettings(
        epochs=20, steps_per_epoch=10, schedule="step", warmup=0.0, learning_rate=1e-3
    )
    rates = [learning_rate_at(k, total=200, settings=step) for k in range(0, 200, 10)]
    assert rates == pytest.approx([1e-3] * 5 + [1e-4] * 5 + [1e-5] * 5 + [1e-6] * 5)
    scores = iter([1.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    network = torch.nn.Linear(2, 1)

    def batches(epoch: int, generator: np.random.Generator) -> list[tuple[torch.Tensor, ...]]:
        return [(torch.ones(4, 2), torch.zeros(4, 1))]

    result = fit(
        network, batches, torch.nn.functional.mse_loss,
        settings=FitSettings(
            epochs=6, steps_per_epoch=1, schedule="plateau", warmup=0.0, learning_rate=0.1,
            monitor="x", plateau_patience=1, ema_decay=None,
        ),
        evaluate=lambda _: {"x": next(scores)},
    )  # fmt: skip
    rates = [row["learning_rate"] for row in result.curves]
    # No improvement after epochs 1 and 2: the rate falls; after 3 and 4: again.
    assert rates == pytest.approx([0.1, 0.1, 0.1, 0.01, 0.01, 0.001])


def test_accumulated_batches_are_one_large_batch() -> None:
    generator = np.random.default_rng(0)
    x = torch.from_numpy(generator.standard_normal((32, 3)).astype(np.float32))
    y = x @ torch.tensor([[1.0], [2.0], [-1.0]])

    def run(size: int, accumulate: int, precision: str = "fp32") -> torch.Tensor:
        torch.manual_seed(0)
        network = torch.nn.Linear(3, 1)
        parts = [(x[k : k + size], y[k : k + size]) for k in range(0, 32, size)]
        fit(
            network, lambda epoch, generator: parts, torch.nn.functional.mse_loss,
            settings=FitSettings(
                epochs=5, steps_per_epoch=len(parts) // accumulate, accumulate=accumulate,
                ema_decay=None, precision=precision,
            ),
        )  # fmt: skip
        return network.weight.detach()

    torch.testing.assert_close(run(8, 2), run(16, 1), rtol=1e-5, atol=1e-6)
    assert (run(16, 1, "bf16") - run(16, 1)).abs().max() < 0.02


def test_lead_replacement_is_the_projection() -> None:
    generator = np.random.default_rng(0)
    first, second = generator.standard_normal((2, 400, 50)).astype(np.float32)
    # The two identities that fix sign and scale: L(60) = II, L(-60) = -III.
    np.testing.assert_allclose(project_frontal(first, second, 60.0), second, atol=1e-5)
    np.testing.assert_allclose(project_frontal(first, second, -60.0), first - second, atol=1e-5)
    before = first.copy()
    replaced = augmentation.replace_lead(first, second, np.random.default_rng(1))
    np.testing.assert_array_equal(first, before)
    changed = (replaced != first).any(axis=1)
    assert 0.42 < changed.mean() < 0.58
    angles = augmentation.PAPER_ANGLES_DEGREES
    choices = np.stack([project_frontal(first, second, angle) for angle in angles])
    found = np.abs(choices - replaced[None]).max(axis=2).argmin(axis=0)[changed]
    assert np.abs(choices[found, np.flatnonzero(changed)] - replaced[changed]).max() < 1e-5
    assert set(found) == set(range(6))


@pytest.mark.parametrize("name", tuple(AUGMENTATIONS))
def test_every_augmentation_changes_something_and_repeats(name: str) -> None:
    batch = np.random.default_rng(0).standard_normal((16, 3, 500)).astype(np.float32)
    before = batch.copy()
    once, twice = (
        AUGMENTATIONS[name](batch, np.random.default_rng(5), sampling_rate=100.0) for _ in range(2)
    )
    np.testing.assert_array_equal(batch, before)
    np.testing.assert_array_equal(once, twice)
    assert once.shape == batch.shape and (once != batch).any() and np.isfinite(once).all()


def test_mains_is_a_line_at_50_or_60_hz() -> None:
    batch = np.random.default_rng(0).standard_normal((40, 1, 1000)).astype(np.float32)
    hum = augmentation.add_mains(
        batch, np.random.default_rng(0), sampling_rate=500.0, probability=1.0, largest=5.0
    )
    at = np.abs(np.fft.rfft(hum - batch, axis=2))[:, 0].argmax(axis=1) * 0.5
    assert set(at) == {50.0, 60.0}


def make_task(kind: str, outputs: int) -> Task:
    names = tuple(f"t{k}" for k in range(outputs))
    targets = tuple(Target(name, "diagnosis") for name in names)
    columns = names[:1] if kind == "multiclass" else names
    return TASKS[kind](columns=columns, vocabulary=Vocabulary("v", targets))


def test_probe_against_scikit_learn() -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    generator = np.random.default_rng(0)
    x = (generator.standard_normal((600, 8)) * [1, 5, 0.1, 1, 1, 1, 1, 1] + 3).astype(np.float32)
    y = (x @ generator.standard_normal(8) + generator.standard_normal(600) > 3).astype(float)
    standardized = (x - x.mean(0)) / x.std(0)
    penalty = 1e-2
    reference = linear.LogisticRegression(C=1 / (2 * penalty * 600), tol=1e-10, max_iter=10000)
    reference.fit(standardized, y)
    probe = fit_linear_probe(
        x, y[:, None], make_task("binary", 1), penalties=(penalty,), iterations=500
    )
    expected = reference.decision_function(standardized)
    np.testing.assert_allclose(probe(x)[:, 0], expected, atol=2e-2)


def test_probe_of_values_and_its_place_in_the_network() -> None:
    generator = np.random.default_rng(0)
    x = generator.standard_normal((300, 32)).astype(np.float32)
    y = (x @ generator.standard_normal((32, 1))) * 12 + 60
    task = make_task("regression", 1).fitted(y)
    probe = fit_linear_probe(x[:200], y[:200], task, validation=(x[200:], y[200:]))
    assert np.abs(task.answers(probe(x[200:])) - y[200:]).mean() < 1.0
    network = create_model("net1d-tiny", classes=1, leads=1, widths=(16, 32), blocks=(1, 1))
    put_into(network, probe)
    np.testing.assert_array_equal(classifier_of(network).weight.detach().numpy(), probe.weight)
    network.reset_classifier(2)
    with pytest.raises(TrainingError, match="does not fit a classifier"):
        put_into(network, probe)


def test_a_start_is_a_bundle_or_an_architecture() -> None:
    start = start_from("rhythm-single-lead", outputs=2, leads=("I",))
    assert start.spec.preprocessing == "single-lead-rhythm@1" and "rhythm" in start.origin
    assert classifier_of(start.network).out_features == 2
    fresh = start_from("net1d-tiny", outputs=1, leads=("II",))
    assert (fresh.spec.lead_mode, fresh.spec.leads, fresh.spec.rows) == ("any-single", ("II",), 1)
    twelve = start_from("net1d-tiny", outputs=1, leads=STANDARD_12_LEADS)
    assert twelve.spec.lead_mode == "exact" and twelve.network.leads == 12
    with pytest.raises(ModelNotFoundError, match="architectures: net1d"):
        start_from("nonsense", outputs=1, leads=("I",))
    with pytest.raises(TrainingError, match="travels with the weights"):
        start_from("rhythm-single-lead", outputs=1, leads=("I",), preprocessing="ptbxl-bandpass@1")


def test_a_fresh_s4_is_trained_at_100_hz() -> None:
    """Announced for 100 Hz (Strodthoff et al.), it was once trained at 500."""
    start = start_from("s4-small", outputs=1, leads=STANDARD_12_LEADS)
    assert (start.spec.sampling_rate, start.spec.recipe.samples) == (100.0, 1000)
    lone = start_from("s4-small", outputs=1, leads=("V2",))
    assert (lone.spec.sampling_rate, lone.spec.leads) == (100.0, ("V2",))


def test_windows_are_stored_once_and_continued(tmp_path: Path) -> None:
    for k in range(3):
        write_wfdb(twelve_leads(30, k, rate=250.0), tmp_path, f"r{k}")
    rows = tuple(ManifestRow(f"r{k}", f"r{k}.hea") for k in range(3))
    rows += (ManifestRow("gone", "gone.hea"),)
    spec = InputSpec("any-subset", STANDARD_12_LEADS, get_preprocessing("ptbxl-bandpass@1"))
    manifest = Manifest(rows, tmp_path)
    first = store_windows(manifest, spec, tmp_path / "cache")
    assert len(first) == 3 and list(first.skipped) == ["gone"] and len(first.hashes) == 3
    folder = next((tmp_path / "cache").iterdir())
    state = json.loads((folder / "state.json").read_text())
    # As if it had been killed after the first record, in the middle of writing the second.
    state |= {"next": 1, "row": [0], "presence": state["presence"][:1], "done": False}
    (folder / "state.json").write_text(json.dumps(state))
    expected = np.array(first.signal)
    del first
    again = store_windows(manifest, spec, tmp_path / "cache")
    np.testing.assert_array_equal(np.asarray(again.signal), expected)
    assert again.row.tolist() == [0, 1, 2]


@pytest.mark.parametrize(("storage", "tolerance"), [("float32", 0.0), ("int16", 5.1e-4)])
def test_raw_windows_of_several_rates(tmp_path: Path, storage: str, tolerance: float) -> None:
    recordings = {f"r{k}": twelve_leads(40, k, rate=rate) for k, rate in enumerate((250.0, 500.0))}
    for name, recording in recordings.items():
        write_wfdb(recording, tmp_path, name)
    rows = tuple(
        ManifestRow(name, f"{name}.hea", patient=name, targets={"a": 1.0}) for name in recordings
    )
    manifest = Manifest(rows, tmp_path)
    arguments = {"leads": STANDARD_12_LEADS, "window_s": 5.0, "targets": ("a",)}
    sources, skipped = cache_manifest(manifest, tmp_path / "c", storage=storage, **arguments)
    assert not skipped and sorted(s.sampling_rate for s in sources) == [250.0, 500.0]
    for source in sources:
        assert len(source) == 2 and source.targets(np.array([1])).tolist() == [[1.0]]
        opened = manifest.open(rows[0 if source.sampling_rate == 250 else 1])
        raw = opened.select(STANDARD_12_LEADS).signal
        got = source.read(np.array([0, 1]))
        assert np.abs(np.concatenate(list(got), axis=1) - raw).max() <= tolerance
    again, _ = cache_manifest(manifest, tmp_path / "c", storage=storage, **arguments)
    assert [len(source) for source in again] == [2, 2]


def test_arrays_that_do_not_belong_together() -> None:
    x = np.zeros((3, 2, 100), np.float32)
    with pytest.raises(TrainingError, match="do not fit the leads"):
        ArraySource(x, 100.0, ("I",), np.zeros((3, 1)), ["a"] * 3)
    with pytest.raises(TrainingError, match="do not belong together"):
        ArraySource(x, 100.0, ("I", "II"), np.zeros((2, 1)), ["a"] * 3)


def test_another_run_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    table = age_table(tmp_path, 12, per_patient=1, rate=250.0)
    data = read_recordings(table, ColumnMapping(targets=("age",)))
    run = tmp_path / "run"
    run.mkdir()
    (run / "configuration.json").write_text('{"model": "another"}')
    with pytest.raises(TrainingError, match="another run, which differs in .*--overwrite"):
        finetune(data, run, model="net1d-tiny", settings=FinetuneSettings.of(epochs=1))
    with pytest.raises(TrainingError, match="no mode 'half'. Use full, last, lora, probe"):
        FinetuneSettings.of(mode="half")


def test_a_corpus_is_a_source(tmp_path: Path) -> None:
    pytest.importorskip("polars")
    corpus_room = pytest.importorskip("ecgfoundry.corpus")
    from ecgfoundry.training.data.sources import corpus_sources

    rows = []
    for k, rate in enumerate((250.0, 500.0, 250.0)):
        write_wfdb(twelve_leads(40, k, rate=rate), tmp_path, f"r{k}")
        rows.append(ManifestRow(f"r{k}", f"r{k}.hea", patient=f"p{k}", targets={"a": float(k)}))
    manifest = Manifest(tuple(rows), tmp_path)
    corpus_room.build_corpus(manifest, tmp_path / "corpus")
    sources = corpus_sources(tmp_path / "corpus", ("a",))
    assert sorted((s.sampling_rate, len(s)) for s in sources) == [(250.0, 2), (500.0, 1)]
    for source in sources:
        for k in range(len(source)):
            place = np.array([k])
            row = rows[int(source.targets(place)[0, 0])]
            assert source.groups[k] == row.patient
            recording = manifest.open(row).select(source.leads)
            np.testing.assert_array_equal(source.read(place)[0], recording.signal)
    with pytest.raises(TrainingError, match="no target 'b'"):
        corpus_sources(tmp_path / "corpus", ("b",))
