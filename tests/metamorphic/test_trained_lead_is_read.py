"""The lead that was trained is the lead that is read, for every way to make a bundle.

Each maker runs on the same recordings three times. Where the leads that the bundle names are as
they were, and all others have another signal and another place in the file, its weights are the
same to the bit; where the named leads have another signal, they are not. Then a wave is planted in
a recording: the answer changes with it in each named lead, and with it in no other.
"""

from __future__ import annotations

import csv
import functools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
load_file = pytest.importorskip("safetensors.numpy").load_file

import onnxruntime  # noqa: E402

from ecgfoundry.errors import CheckpointError  # noqa: E402
from ecgfoundry.formats.files import read  # noqa: E402
from ecgfoundry.inference.exporting import export_bundle  # noqa: E402
from ecgfoundry.inference.predictor import Predictor, load_model  # noqa: E402
from ecgfoundry.inference.recalibration import recalibrate  # noqa: E402
from ecgfoundry.leads import STANDARD_12_LEADS as TWELVE  # noqa: E402
from ecgfoundry.manifest import Manifest, MappedManifest, read_manifest  # noqa: E402
from ecgfoundry.models.importing import import_checkpoint  # noqa: E402
from ecgfoundry.models.registry import ARCHITECTURES, create_model  # noqa: E402
from ecgfoundry.recording import Recording  # noqa: E402
from ecgfoundry.samples import sample_path  # noqa: E402
from ecgfoundry.tasks import make_task  # noqa: E402
from ecgfoundry.training.finetuning import FinetuneSettings, finetune  # noqa: E402
from ecgfoundry.training.pretraining import PretrainSettings, pretrain_table  # noqa: E402
from ecgfoundry.training.recipes.registry import get_recipe  # noqa: E402
from ecgfoundry.vocabularies import Target, Vocabulary, load_vocabulary  # noqa: E402
from tests.checkpoint_layouts import published_layout  # noqa: E402

COUNT, RATE = 24, 100.0
TIME = np.arange(1000) / RATE
REVERSED = TWELVE[::-1]
SETTINGS = FinetuneSettings.of(
    epochs=1, batch=7, learning_rate=1e-2, augmentations=(), threads=1, test_figures=False,
    deterministic=True,
)  # fmt: skip
PRETRAINING = PretrainSettings.of(
    epochs=1, batch=8, learning_rate=1e-2, validation_share=0.3, augmentations=(), threads=1,
    lead_replacement=0.0, deterministic=True,
)  # fmt: skip
TASK = make_task(
    kind="multilabel", columns=("wide",), vocabulary=Vocabulary("one", (Target("wide", "rhythm"),))
)


@functools.cache
def beats(seed: int) -> np.ndarray:
    """Recordings of twelve leads with amplitudes of their own, (recordings, leads, samples)."""
    random = np.random.default_rng(seed)
    signal = np.empty((COUNT, 12, TIME.size))
    for k in range(COUNT):
        phase = (TIME + 0.033 * k) % 0.8
        wave = np.exp(-(((phase - 0.2) / 0.02) ** 2)) + 0.2 * np.exp(
            -(((phase - 0.45) / 0.05) ** 2)
        )
        signal[k] = random.uniform(0.6, 1.4, (12, 1)) * wave + random.normal(0, 0.02, (12, 1000))
    return signal


def recordings(
    folder: Path,
    *,
    changed: tuple[str, ...] = (),
    leads: Any = TWELVE,
    targets: tuple[str, ...] = ("wide",),
) -> Path:
    """Write a table whose ``changed`` leads have other signals, in the order ``leads``."""
    folder.mkdir(parents=True, exist_ok=True)
    signal = np.where(np.isin(TWELVE, changed)[:, np.newaxis], beats(1), beats(0))
    rows = [TWELVE.index(lead) for lead in leads]
    np.save(folder / "x.npy", signal[:, rows].astype(np.float32))
    about = {"leads": list(leads), "sampling_rate": RATE, "unit": "mV"}
    (folder / "x.json").write_text(json.dumps(about))
    split = ["train"] * 14 + ["validation"] * 5 + ["test"] * 5
    with (folder / "m.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        about = ["record", "path", "index", "patient", "split", "age", "sex"]
        writer.writerow([*about, *(f"target:{name}" for name in targets)])
        for k in range(COUNT):
            person = [f"p{k}", split[k], 40 + k, ("female", "male")[k % 2]]
            labels = [(k + number) % 2 for number in range(len(targets))]
            writer.writerow([f"r{k}", "x.npy", k, *person, *labels])
    return folder / "m.csv"


def own_network(leads: int) -> Any:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Conv1d(leads, 8, 25, stride=5), torch.nn.ReLU())


def tune(table: Path, output: Path, model: Any, **settings: Any) -> Path:
    return finetune(
        table, output, targets=["wide"], model=model, settings=SETTINGS.change(**settings)
    ).bundle


def teach(table: Path, output: Path, model: Any, **settings: Any) -> Path:
    made = pretrain_table(
        table, output, model=model, task=TASK, settings=PRETRAINING.change(**settings)
    )
    assert made.bundle is not None
    return made.bundle


def by_recipe(name: str, table: Path, output: Path, **settings: Any) -> Path:
    """A recipe of ``train-defaults``, with a small network and few steps."""
    given = {"settings": SETTINGS.change(**settings), "model": "plugin-net"}
    if name == "age_sex":
        bundle: Path = get_recipe(name).run(table, output, **given)["sex"].bundle
        return bundle
    if name != "ecgfounder_pretrain":
        bundle = get_recipe(name).run(table, output, targets=("wide",), **given).bundle
        return bundle
    # Of its 150 targets; without lead replacement, which takes I from other leads by design.
    names = load_vocabulary("ecgfounder-150").names
    signals = np.load(table.parent / "x.npy")
    leads = tuple(json.loads((table.parent / "x.json").read_text())["leads"])
    table = recordings(table.parent / "all", targets=names, leads=leads)
    np.save(table.parent / "x.npy", signals)
    bundle = (
        get_recipe(name)
        .run(table, output, one_lead=True, architecture="plugin-net", settings=PRETRAINING)
        .bundle
    )
    return bundle


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A one-lead network that was pretrained on V2, to start from."""
    folder = tmp_path_factory.mktemp("start")
    return teach(recordings(folder / "data"), folder / "run", "plugin-net", leads=("V2",))


Maker = Callable[[Path, Path, Path], Path]
"""Of a table, the folder of a run and the start model."""

MAKERS: dict[str, tuple[tuple[str, ...], Maker]] = {
    "pretrain": (("V2",), lambda t, o, s: teach(t, o, "plugin-net", leads=("V2",))),
    "pretrain, two leads": (
        ("V5", "II"),
        lambda t, o, s: teach(t, o, own_network(2), leads=("V5", "II"), lead_mode="exact",
                              preprocessing="twelve-lead-100hz@1"),
    ),
    "finetune": (("aVL",), lambda t, o, s: tune(t, o, "plugin-net", lead="aVL")),
    "finetune, all weights of a start": (("V2",), lambda t, o, s: tune(t, o, s)),
    "finetune, another lead than the start's": (("V6",), lambda t, o, s: tune(t, o, s, lead="V6")),
    "probe": (("V2",), lambda t, o, s: tune(t, o, s, mode="probe")),
    "adapters": (("V5",), lambda t, o, s: tune(t, o, s, mode="lora", adapter_rank=2, lead="V5")),
    "one's own network": (
        TWELVE,
        lambda t, o, s: tune(t, o, own_network(12), preprocessing="twelve-lead-100hz@1"),
    ),
    "recipe ecgfounder_pretrain": (
        ("I",), lambda t, o, s: by_recipe("ecgfounder_pretrain", t, o)
    ),
    "recipe ecgfounder_finetune": (
        ("V4",), lambda t, o, s: by_recipe("ecgfounder_finetune", t, o, lead="V4")
    ),
    "recipe ecgfounder_probe": (
        ("aVR",), lambda t, o, s: by_recipe("ecgfounder_probe", t, o, lead="aVR")
    ),
    "recipe age_sex": (("V1",), lambda t, o, s: by_recipe("age_sex", t, o, lead="V1")),
    "any subset": (TWELVE, lambda t, o, s: tune(t, o, "ptbxl-superclass-12lead", mode="probe")),
}  # fmt: skip


def planted(lead: str | None = None, *, leads: Any = TWELVE) -> Recording:
    """A recording with a late wave of every other beat in one lead."""
    signal = beats(2)[0].copy()
    if lead is not None:
        signal[TWELVE.index(lead)] += 0.5 * np.exp(-((((TIME % 1.6) - 0.6) / 0.06) ** 2))
    rows = [TWELVE.index(name) for name in leads]
    return Recording(signal[rows], RATE, tuple(leads))


def assert_read(answer: Callable[[Recording], Any], leads: tuple[str, ...]) -> None:
    """The answer depends on each of ``leads`` and on no other, wherever they stand."""
    plain = np.asarray(answer(planted()))
    assert np.isfinite(plain).all()
    np.testing.assert_array_equal(answer(planted(leads=REVERSED)), plain)
    changed = {lead for lead in TWELVE if not np.array_equal(answer(planted(lead)), plain)}
    assert changed == set(leads)


def probabilities(predictor: Predictor) -> Callable[[Recording], list[float]]:
    def answer(recording: Recording) -> list[float]:
        found = predictor.interpret(recording)
        assert found.refused is None and found.leads_used == predictor.bundle.input.leads
        return [finding.probability for finding in found.findings]

    return answer


SLOW = ("any subset", "recipe ecgfounder_pretrain", "recipe age_sex")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in MAKERS],
)
def test_a_trained_network(name: str, start: Path, tmp_path: Path) -> None:
    leads, make = MAKERS[name]
    others = tuple(lead for lead in TWELVE if lead not in leads)
    tables = {
        "as it is": recordings(tmp_path / "0"),
        "others": recordings(tmp_path / "1", changed=others, leads=REVERSED),
        "named": recordings(tmp_path / "2", changed=leads),
    }
    bundles = {kind: make(table, tmp_path / kind, start) for kind, table in tables.items()}
    weights = {kind: load_file(path / "model.safetensors") for kind, path in bundles.items()}

    def alike(kind: str) -> bool:
        pairs = zip(weights["as it is"].values(), weights[kind].values(), strict=True)
        return all(np.array_equal(one, other) for one, other in pairs)

    assert alike("others") and not alike("named")
    predictor = load_model(bundles["as it is"], threads=1)
    assert predictor.bundle.input.leads == leads
    assert_read(probabilities(predictor), leads)


@pytest.mark.parametrize(
    "name",
    [
        "rhythm-single-lead-edge",
        pytest.param("ptbxl-superclass-12lead", marks=pytest.mark.slow),
        pytest.param("diagnosis-12lead", marks=pytest.mark.slow),
    ],
)
def test_a_shipped_network(name: str) -> None:
    """What the recipes of their own made of the public sets."""
    predictor = load_model(name, threads=1)
    assert_read(probabilities(predictor), predictor.bundle.input.leads)


@pytest.mark.parametrize("mode", ["probe", pytest.param("finetune", marks=pytest.mark.slow)])
def test_an_estimator(mode: str, start: Path, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    from ecgfoundry.api.estimators import EcgClassifier

    labels = np.arange(COUNT) % 2

    def fitted(changed: tuple[str, ...] = (), leads: tuple[str, ...] = TWELVE) -> EcgClassifier:
        table = read_manifest(recordings(tmp_path / "data", changed=changed, leads=leads))
        given = [table.open(row) for row in table.rows]
        made = EcgClassifier(start, mode=mode, lead="aVF", settings=SETTINGS)
        return made.fit(given, labels)

    def answer(made: EcgClassifier, recording: Recording) -> Any:
        return made.predict_proba([recording])

    made = fitted()
    others = fitted(tuple(lead for lead in TWELVE if lead != "aVF"), REVERSED)
    np.testing.assert_array_equal(answer(others, planted()), answer(made, planted()))
    assert not np.array_equal(answer(fitted(("aVF",)), planted()), answer(made, planted()))
    assert_read(functools.partial(answer, made), ("aVF",))


SMALL: dict[str, dict[str, Any]] = {
    "Net1D": {"widths": (16, 16), "blocks": (1, 1)},
    "S4Net": {"width": 8, "state": 4, "layers": 2},
    "RhythmNet": {"stem_channels": 4, "channels": (4, 4, 4, 4)},
    "PluginNet": {},
}
"""Settings that make each importable network small, by its class; the others are for twelve leads
or for one under a layout of their authors (ECG-FM), whose import has tests of its own."""


@pytest.mark.parametrize("lead", ["V3", None])
@pytest.mark.parametrize("name", ["net1d", "s4", "rhythm-net", "plugin-net"])
def test_an_imported_network(
    name: str, lead: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = ARCHITECTURES[name]
    for setting, value in SMALL[known.network].items():
        monkeypatch.setitem(known.defaults, setting, value)
    count = {} if name == "rhythm-net" else {"leads": 12 if lead is None else 1}
    torch.manual_seed(0)
    torch.save(published_layout(create_model(name, classes=150, **count)), tmp_path / "a.pth")
    given: dict[str, Any] = {
        "architecture": name, "vocabulary": "ecgfounder-150", "output": tmp_path / "bundle",
        "onnx": False,
    }  # fmt: skip
    if lead is None:
        if name == "rhythm-net":
            with pytest.raises(CheckpointError, match="no network for exactly 12"):
                import_checkpoint(tmp_path / "a.pth", leads=12, **given)
            return
        made = import_checkpoint(tmp_path / "a.pth", leads=12, **given)
    else:
        made = import_checkpoint(tmp_path / "a.pth", leads=1, lead=lead, **given)
    predictor = load_model(made, threads=1)
    assert predictor.bundle.input.leads == ((lead,) if lead else TWELVE)
    assert_read(probabilities(predictor), predictor.bundle.input.leads)


def test_a_calibrated_copy(start: Path, tmp_path: Path) -> None:
    predictor = load_model(start, threads=1)
    table = read_manifest(recordings(tmp_path / "data"))
    rows = tuple(replace(row, split=None) for row in table.rows)
    recalibrate(
        predictor, MappedManifest(Manifest(rows, table.folder), ("wide",)), tmp_path / "copy"
    )
    copy = load_model(tmp_path / "copy", threads=1)
    assert copy.bundle.input.leads == ("V2",)
    assert_read(probabilities(copy), ("V2",))


def test_an_export(start: Path, tmp_path: Path) -> None:
    """The graph comes with windows of the lead that was trained, and says which it is."""
    folder = export_bundle(start, tmp_path / "export")
    assert json.loads((folder / "model.json").read_text())["input"]["leads"] == ["V2"]
    assert "one lead (trained on V2)" in (folder / "README.md").read_text()
    sample = read(sample_path("12-lead"))
    with np.load(folder / "golden.npz") as golden:
        raw = golden["raw_0"]
        (v2,) = sample.select(["V2"]).signal
        np.testing.assert_allclose(raw[0], v2[: raw.shape[1]], atol=1e-6)
        logits = load_model(start, threads=1, runtime="onnxruntime").logits
        graph = onnxruntime.InferenceSession(folder / "model.onnx")
        given = golden["standardized_0"][np.newaxis]
        (answer,) = graph.run(["logits"], {"signal": np.nan_to_num(given)})
        np.testing.assert_allclose(answer, logits(given), atol=1e-5)
        np.testing.assert_allclose(answer[0], golden["logits_0"], atol=1e-5)
