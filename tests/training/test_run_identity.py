"""What a run depends on, which lead it learns, and what it refuses in one line."""

from __future__ import annotations

import copy
import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
load_file = pytest.importorskip("safetensors.torch").load_file

import ecgfoundry  # noqa: E402
from ecgfoundry.errors import (  # noqa: E402
    DivergenceError,
    EcgFoundryError,
    ManifestError,
    TrainingError,
)
from ecgfoundry.inference.predictor import load_model  # noqa: E402
from ecgfoundry.leads import STANDARD_12_LEADS  # noqa: E402
from ecgfoundry.manifest import ColumnMapping, MappedManifest, read_recordings  # noqa: E402
from ecgfoundry.manifest.classes import ordered_classes  # noqa: E402
from ecgfoundry.manifest.targets import class_warnings  # noqa: E402
from ecgfoundry.metrics.classification import auroc  # noqa: E402
from ecgfoundry.models.bundle import load_bundle  # noqa: E402
from ecgfoundry.models.loading import load_network  # noqa: E402
from ecgfoundry.training.finetuning import FinetuneSettings, finetune  # noqa: E402
from ecgfoundry.training.initialization import NewNetwork  # noqa: E402
from ecgfoundry.training.pretraining import (  # noqa: E402
    PretrainSettings,
    pretrain,
    pretrain_table,
    pretraining_task,
)
from ecgfoundry.training.results.run_folder import RunFolder  # noqa: E402
from tests.training.small_pretraining import NETWORK, SPEC, TASK, beats  # noqa: E402

COUNT = 36
QUICK = FinetuneSettings.of(mode="probe", threads=1)
TINY = FinetuneSettings.of(epochs=1, batch=16, augmentations=(), threads=1)
AT_100_HZ = TINY.change(preprocessing="twelve-lead-100hz@1")


def ecgs(folder: Path, marked: list[int], *, lead: str = "aVL") -> Path:
    """Twelve leads at 100 Hz with the same beats; those of ``marked`` have a late wave in one."""
    generator = np.random.default_rng(5)
    time = np.arange(1000) / 100.0
    signal = np.empty((COUNT, 12, 1000), np.float32)
    for k in range(COUNT):
        phase = (time + generator.uniform(0, 0.8)) % 0.8
        wave = np.exp(-(((phase - 0.2) / 0.02) ** 2)) + 0.2 * np.exp(
            -(((phase - 0.45) / 0.05) ** 2)
        )
        signal[k] = generator.uniform(0.6, 1.2, (12, 1)) * wave
        if marked[k]:
            signal[k, STANDARD_12_LEADS.index(lead)] += 0.5 * np.exp(-(((phase - 0.6) / 0.06) ** 2))
        signal[k] += generator.normal(0, 0.02, (12, 1000))
    file = folder / "x.npy"
    np.save(file, signal)
    description = {"leads": list(STANDARD_12_LEADS), "sampling_rate": 100, "unit": "mV"}
    (folder / "x.json").write_text(json.dumps(description))
    return file


def table(folder: Path, labels: list[object], *, name: str = "table.csv") -> Path:
    """patient, wide and (as for the cases of one split) split: 24 train, 6 validate, 6 test."""
    splits = ["train"] * 24 + ["validation"] * 6 + ["test"] * 6
    with (folder / name).open("w", newline="") as stream:
        rows = [[f"p{k}", v, s] for k, (v, s) in enumerate(zip(labels, splits, strict=True))]
        csv.writer(stream).writerows([["patient", "wide", "split"], *rows])
    return folder / name


ALTERNATING: list[object] = [k % 2 for k in range(COUNT)]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    ecgs(tmp_path, [k % 2 for k in range(COUNT)])
    table(tmp_path, ALTERNATING)
    return tmp_path


def data(work: Path, name: str = "table.csv", **more: str) -> MappedManifest:
    mapping = ColumnMapping(targets=("wide",), **more)
    return read_recordings(work / name, mapping, records=work / "x.npy")


# --- the lead that was trained is the lead that is read -------------------------------------------


def test_a_marker_in_one_lead_is_found_in_use_as_on_the_card(work: Path) -> None:
    result = finetune(
        data(work), work / "run", model="rhythm-net", settings=QUICK.change(lead="avl")
    )
    assert load_bundle(result.bundle).input.leads == ("aVL",)
    stated = json.loads((work / "run" / "configuration.json").read_text())
    assert stated["lead"] == "aVL" and stated["input"]["leads"] == ["aVL"]
    test = [row for row in data(work).manifest.rows if row.split == "test"]
    predictor = load_model(str(result.bundle))
    answers = [predictor.interpret(data(work).manifest.open(row)) for row in test]
    assert all(answer.leads_used == ("aVL",) for answer in answers)
    assert not [w for a in answers for w in a.warnings if w.code == "lead-not-trained-on"]
    scores = np.array([answer.findings[0].probability for answer in answers])
    truth = np.array([row.targets["wide"] for row in test])
    card = next(m for m in result.metrics if m.name == "AUROC" and m.data.startswith("test"))
    assert card.value == pytest.approx(auroc(truth, scores), abs=1e-9)
    assert card.value is not None and card.value > 0.9


def test_another_lead_is_warned_of(work: Path) -> None:
    result = finetune(
        data(work), work / "run", model="rhythm-net", settings=QUICK.change(lead="V2")
    )
    recording = data(work).manifest.open(data(work).manifest.rows[0]).select(["I", "V5"])
    answer = load_model(str(result.bundle)).interpret(recording)
    assert answer.leads_used == ("I",)
    assert "lead I is read; the model was trained on V2" in [w.message for w in answer.warnings]


def test_a_lead_of_a_twelve_lead_model_is_refused(work: Path) -> None:
    with pytest.raises(TrainingError, match="reads 12 leads, not lead aVL alone"):
        finetune(
            data(work),
            work / "run",
            model="ptbxl-superclass-12lead",
            settings=QUICK.change(lead="aVL"),
        )
    assert not (work / "run").exists()


# --- a run depends on its data --------------------------------------------------------------------


def run_again(work: Path, name: str = "table.csv", **more: object) -> None:
    finetune(data(work, name), work / "run", model="net1d-tiny", settings=AT_100_HZ, **more)  # type: ignore[arg-type]


def contents(folder: Path) -> dict[str, bytes]:
    names = ("split.csv", "configuration.json", "data.json", "last.checkpoint", "metrics.json")
    return {name: (folder / name).read_bytes() for name in names}


@pytest.mark.slow
def test_a_changed_run_is_refused_before_anything_is_written(work: Path) -> None:
    run_again(work)
    before = contents(work / "run")
    run_again(work)  # the same again is the same
    assert contents(work / "run")["split.csv"] == before["split.csv"]
    before = contents(work / "run")
    corrected = [0 if k in (1, 5) else v for k, v in enumerate(ALTERNATING)]
    table(work, corrected, name="corrected.csv")
    with pytest.raises(TrainingError, match="labels_and_split.*nothing was changed.*--overwrite"):
        run_again(work, "corrected.csv")
    signal = np.load(work / "x.npy")
    signal[3, :, 10] += 1.0
    np.save(work / "x.npy", signal)
    with pytest.raises(TrainingError, match=r"depends_on\.signals"):
        run_again(work)
    with pytest.raises(TrainingError, match=r"settings\.optimizer\.learning_rate"):
        finetune(
            data(work),
            work / "run",
            model="net1d-tiny",
            settings=AT_100_HZ.change(learning_rate=1e-5),
        )
    with pytest.raises(TrainingError, match="start_weights|starts_from|architecture"):
        finetune(data(work), work / "run", model="rhythm-net", settings=AT_100_HZ)
    with (work / "table.csv").open("a", newline="") as stream:
        csv.writer(stream).writerows([["p36", 0, "train"], ["p37", 1, "train"]])
    np.save(work / "x.npy", np.concatenate([signal, signal[:2] + 0.01]))
    with pytest.raises(TrainingError, match="nothing was changed"):
        run_again(work)
    assert contents(work / "run") == before
    np.save(work / "x.npy", signal)
    run_again(work, "corrected.csv", overwrite=True)
    assert contents(work / "run")["split.csv"] != before["split.csv"]


def test_a_changed_pretraining_is_refused(tmp_path: Path) -> None:
    def run(count: int, seed: int = 0, **more: object) -> None:
        pretrain(
            [beats(count, seed=seed)], tmp_path, network=NewNetwork("net1d-tiny", SPEC, NETWORK),
            task=TASK,
            settings=PretrainSettings.of(epochs=1, batch=8, validation_share=0.3, threads=1),
            **more,  # type: ignore[arg-type]
        )  # fmt: skip

    run(24)
    before = (tmp_path / "data.json").read_bytes()
    with pytest.raises(TrainingError, match="depends_on"):
        run(30)
    with pytest.raises(TrainingError, match=r"depends_on\.signals"):
        run(24, seed=1)
    assert (tmp_path / "data.json").read_bytes() == before
    run(30, overwrite=True)


def test_two_processes_do_not_train_in_one_folder(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; "
        "from ecgfoundry.training.results.run_folder import RunFolder\n"
        "with RunFolder(Path(sys.argv[1])).locked(): print('held', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert other.stdout is not None and other.stdout.readline() == "held\n"
    with (
        pytest.raises(TrainingError, match="another run is training in this folder"),
        RunFolder(tmp_path).locked(),
    ):
        pass
    other.kill()
    other.wait()
    with RunFolder(tmp_path).locked():
        pass


# --- labels ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "order"),
    [
        (("AF", "not AF"), ("not AF", "AF")),
        (("ja", "nein"), ("nein", "ja")),
        (("case", "control"), ("control", "case")),
        (("Normal", "STEMI"), ("Normal", "STEMI")),
        (("AF", "non-AF"), ("non-AF", "AF")),
        (("AF", "Negative"), ("Negative", "AF")),
        (("b", "a", "c"), ("a", "b", "c")),
    ],
)
def test_the_alphabet_does_not_decide_which_class_is_positive(
    words: tuple[str, ...], order: tuple[str, ...]
) -> None:
    assert ordered_classes("x", words) == order


def test_two_classes_without_a_negative_one_need_a_name() -> None:
    with pytest.raises(ManifestError, match="--positive 'male' or --positive 'female'"):
        ordered_classes("sex", ("male", "female"))
    assert ordered_classes("sex", ("male", "female"), "female") == ("male", "female")
    with pytest.raises(ManifestError, match="no class 'f'. There are female, male"):
        ordered_classes("sex", ("male", "female"), "f")


@pytest.mark.parametrize("words", [("absent", "neg"), ("Healthy", "normal"), ("no", "normal")])
def test_two_words_for_absent_are_told_as_such(words: tuple[str, str]) -> None:
    with pytest.raises(ManifestError, match="each may be the absence of what is looked for"):
        ordered_classes("dx", words)
    assert ordered_classes("dx", words, words[0]) == (words[1], words[0])


def test_words_that_are_read_as_one_number_are_said(work: Path) -> None:
    table(work, ["no" if k % 2 else "negative" for k in range(COUNT)])
    assert class_warnings(data(work)) == ["wide: 'negative' and 'no' are all read as 0"]


def test_the_positive_class_and_typing_errors_are_said(work: Path) -> None:
    words: list[object] = ["AF" if k % 2 else "not AF" for k in range(COUNT)]
    table(work, words)
    said: list[str] = []
    result = finetune(data(work), work / "run", model="rhythm-net", settings=QUICK, say=said.append)
    assert said[0] == "wide: 18 not AF, 18 AF; 'AF' is positive"
    assert load_bundle(result.bundle).vocabulary.names == ("wide: AF",)
    words[7] = "af"
    table(work, words)
    said.clear()
    with pytest.raises(EcgFoundryError):  # stopped on purpose: the folder holds the run above
        finetune(data(work), work / "run", model="rhythm-net", settings=QUICK, say=said.append)
    assert said[1:3] == [
        "warning: wide: 'AF' and 'af' count as different classes",
        "warning: wide: the class 'af' has only 1 of 36 recordings; a typing error?",
    ]


@pytest.mark.parametrize("mark", [-1, 9, 99, -9])
def test_marks_among_zeros_and_ones_are_refused(work: Path, mark: int) -> None:
    table(work, [mark if k % 9 == 5 else v for k, v in enumerate(ALTERNATING)])
    with pytest.raises(ManifestError, match=rf"0, 1 and {mark} \(4 recordings\).*missing"):
        finetune(data(work), work / "run", model="rhythm-net", settings=QUICK)
    assert not (work / "run").exists()


# --- one clear line -------------------------------------------------------------------------------


def test_a_training_that_diverges_is_an_error(work: Path) -> None:
    with pytest.raises(DivergenceError, match="learning rate of 1000"):
        finetune(
            data(work), work / "run", model="net1d-tiny",
            settings=TINY.change(learning_rate=1000.0, epochs=6, gradient_clip=None, warmup=0.0),
        )  # fmt: skip


def test_a_batch_of_one_where_the_network_normalizes_over_it(work: Path) -> None:
    with pytest.raises(TrainingError, match="Use --batch 2 or more"):
        finetune(
            data(work), work / "run", model="ptbxl-superclass-12lead", settings=TINY.change(batch=1)
        )


def test_a_device_that_is_not_there_makes_no_folder(work: Path) -> None:
    for device in ("gpu", "cuda:99"):
        with pytest.raises(TrainingError, match=f"no device '{device}' here.*--device cpu"):
            finetune(data(work), work / "run", settings=TINY.change(device=device))
    assert not (work / "run").exists()


def manifest_with(work: Path, *targets: str) -> Path:
    lines = ["record,path,index,patient," + ",".join(f"target:{name}" for name in targets)]
    lines += [f"r{k},x.npy,{k},p{k}" + f",{k % 2}" * len(targets) for k in range(COUNT)]
    (work / "manifest.csv").write_text("\n".join(lines) + "\n")
    return work / "manifest.csv"


def test_a_one_lead_architecture_asks_for_its_lead(work: Path) -> None:
    with pytest.raises(
        TrainingError, match="rhythm-net reads one lead, and 12 were named.*--leads"
    ):
        pretrain_table(
            manifest_with(work, "CD"),
            work / "run",
            model="rhythm-net",
            task=pretraining_task(("CD",)),
        )


def test_pretraining_on_a_part_of_the_targets_is_refused(work: Path) -> None:
    with pytest.raises(TrainingError, match=r"2 of the 3 targets; 'C'.*--target A,B"):
        pretrain_table(
            manifest_with(work, "A", "B"), work / "run", task=pretraining_task(("A", "B", "C"))
        )


# --- one's own network ----------------------------------------------------------------------------


class WithItsClassifier(torch.nn.Module):
    """A network of somebody's own that is taken as it is."""

    def __init__(self, width: int, classes: int = 7) -> None:
        super().__init__()
        self.config = {"width": width}
        self.first = torch.nn.Conv1d(12, width, 15, stride=5)
        self.reset_classifier(classes)

    def reset_classifier(self, classes: int) -> None:
        self.classifier = torch.nn.Linear(self.config["width"], classes)

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.first(x)).mean(dim=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.forward_features(x))


def test_ones_own_module_with_its_classifier_becomes_a_bundle(work: Path) -> None:
    result = ecgfoundry.finetune(
        data(work), work / "run", model=WithItsClassifier(8), settings=AT_100_HZ
    )
    bundle = load_bundle(result.bundle)
    assert bundle.about.architecture.configuration["settings"] == {"width": 8}
    how = "load_network(bundle, encoder=the WithItsClassifier)"
    assert how in (result.bundle / "README.md").read_text()
    with pytest.raises(EcgFoundryError, match="build WithItsClassifier"):
        load_network(bundle)
    with pytest.raises(EcgFoundryError, match="a Conv1d was given, which has no classifier"):
        load_network(bundle, encoder=torch.nn.Conv1d(12, 8, 15))
    again, _ = load_network(bundle, encoder=WithItsClassifier(8))
    stored = load_file(result.bundle / "model.safetensors")
    assert set(stored) == set(again.state_dict()) == {
        "first.weight", "first.bias", "classifier.weight", "classifier.bias"
    }  # fmt: skip
    assert all(torch.equal(v, stored[k].to(v.dtype)) for k, v in again.state_dict().items())


def test_ones_own_module_becomes_a_bundle(work: Path) -> None:
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv1d(12, 8, 15, stride=5), torch.nn.BatchNorm1d(8), torch.nn.ReLU(),
        torch.nn.Conv1d(8, 16, 9, stride=5), torch.nn.ReLU(),
    )  # fmt: skip
    untrained = copy.deepcopy(module)
    result = ecgfoundry.finetune(
        data(work), work / "run", model=module,
        settings=AT_100_HZ.change(epochs=8, learning_rate=1e-2),
    )  # fmt: skip
    bundle = load_bundle(result.bundle)
    with pytest.raises(
        EcgFoundryError, match="build Sequential \\(of torch.nn.modules.container\\)"
    ):
        load_network(bundle)
    assert (
        "load_network(bundle, encoder=the Sequential)" in (result.bundle / "README.md").read_text()
    )
    again, _ = load_network(bundle, encoder=copy.deepcopy(untrained))
    stored = load_file(result.bundle / "model.safetensors")
    assert all(torch.equal(v, stored[k].to(v.dtype)) for k, v in again.state_dict().items())
    row = data(work).manifest.rows[33]
    answer = load_model(str(result.bundle)).interpret(data(work).manifest.open(row))
    assert answer.verdict != "refused" and answer.leads_used == STANDARD_12_LEADS
    assert answer.findings[0].probability is not None
    with pytest.raises(TrainingError, match="does not take"):
        ecgfoundry.finetune(
            data(work), work / "b", model=torch.nn.Conv1d(3, 8, 15), settings=AT_100_HZ,
        )  # fmt: skip
