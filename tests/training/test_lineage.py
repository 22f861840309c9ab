"""A bundle says which records it learned from, and later runs and figures name those seen again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ecgfoundry.cli.main import main  # noqa: E402
from ecgfoundry.manifest import fingerprints_of_bundle, windows_fingerprints  # noqa: E402
from ecgfoundry.models.bundle import load_bundle  # noqa: E402
from ecgfoundry.training.data.sources import ArraySource, SourcePool  # noqa: E402
from ecgfoundry.training.finetuning import FinetuneSettings, finetune  # noqa: E402
from ecgfoundry.training.pretraining import (  # noqa: E402
    PretrainSettings,
    pretrain_table,
    pretraining_task,
)
from ecgfoundry.training.results.lineage import Lineage  # noqa: E402

RATE = 100
COUNT = 48
AT_100_HZ = "twelve-lead-100hz@1"
PROBE = FinetuneSettings.of(mode="probe", threads=1)


def run(*arguments: str) -> int:
    """The exit code of a command."""
    with pytest.raises(SystemExit) as stopped:
        main(list(arguments))
    return int(stopped.value.code or 0)


def ecgs(seed: int) -> np.ndarray:
    """One lead (records, 1, 1000) at 100 Hz, every record with its own rhythm and noise."""
    generator = np.random.default_rng(seed)
    time = np.arange(10 * RATE) / RATE
    signal = generator.normal(0, 0.02, (COUNT, 1, len(time)))
    for k in range(COUNT):
        at = generator.uniform(0.2, 0.6)
        while at < 10:
            signal[k, 0] += np.exp(-(((time - at) / 0.02) ** 2))
            if k % 2:
                signal[k, 0] += 0.4 * np.exp(-(((time - at - 0.3) / 0.05) ** 2))
            at += generator.normal(0.85, 0.03)
    return signal.astype(np.float32)


def table(folder: Path, signal: np.ndarray, *, target: str = "late") -> Path:
    """32 records train, 8 validate, 8 test; odd ones have the target."""
    folder.mkdir()
    np.save(folder / "x.npy", signal)
    (folder / "x.json").write_text(json.dumps({"leads": ["I"], "sampling_rate": 100, "unit": "mV"}))
    lines = [f"record,path,index,patient,split,target:{target}"]
    for k in range(COUNT):
        split = "train" if k < 32 else "validation" if k < 40 else "test"
        lines.append(f"r{k},x.npy,{k},p{k},{split},{k % 2}")
    (folder / "table.csv").write_text("\n".join(lines) + "\n")
    return folder / "table.csv"


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the records of seed 1, from random weights."""
    folder = tmp_path_factory.mktemp("first")
    settings = PROBE.change(preprocessing=AT_100_HZ)
    finetune(table(folder / "data", ecgs(1)), folder / "run", model="net1d-tiny", settings=settings)
    return folder


def test_the_bundle_carries_what_trained_and_validated(first: Path) -> None:
    bundle = load_bundle(first / "run" / "bundle")
    learned = fingerprints_of_bundle(bundle)
    own = windows_fingerprints(ecgs(1), RATE, ("I",))
    assert learned is not None and set(learned.tolist()) == set(own[:40])
    assert len(learned) == 40 and not set(own[40:]) & set(learned.tolist())
    failures = " ".join(bundle.document["known_failures"])
    assert "test records" not in failures and "does not record" not in failures


def test_a_later_run_names_the_test_records_that_its_start_has_seen(
    first: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    signal = ecgs(2)
    # Three test records are training records of the first run: one louder, one turned round.
    signal[40], signal[41], signal[45] = 2 * ecgs(1)[0], ecgs(1)[1], -ecgs(1)[5]
    said: list[str] = []
    start = first / "run" / "bundle"
    data = table(tmp_path / "data", signal)
    result = finetune(data, tmp_path / "run", model=start, settings=PROBE, say=said.append)
    sentence = "3 of the 8 test records trained the model that it started from"
    assert [line for line in said if line.startswith(f"warning: {sentence}")]
    bundle = load_bundle(result.bundle)
    assert any(line.startswith(sentence) for line in bundle.document["known_failures"])
    assert sentence in (result.bundle / "README.md").read_text()
    learned = fingerprints_of_bundle(bundle)
    assert learned is not None and len(learned) == 80  # 40 of its own and 40 of the first run

    out = tmp_path / "evaluation"
    arguments = ["evaluate", str(result.bundle), str(data), "-o", str(out), "--no-controls"]
    assert run(*arguments, "--draws", "0") == 0
    note = "3 of the 8 records trained this model or the model it started from"
    assert note in capsys.readouterr().err and note in (out / "metrics.json").read_text()
    assert run("compare", str(out), str(out), "-o", str(tmp_path / "c"), "--draws", "0") == 0
    assert "3 of the evaluated records trained the model" in capsys.readouterr().err
    assert "3 of the evaluated records" in (tmp_path / "c" / "compare.json").read_text()


def test_a_start_that_does_not_say_is_named(tmp_path: Path) -> None:
    own = torch.nn.Conv1d(1, 4, 50, stride=25)
    data = table(tmp_path / "data", ecgs(1))
    result = finetune(data, tmp_path / "run", model=own, settings=PROBE)
    failures = load_bundle(result.bundle).document["known_failures"]
    assert any("does not record what it learned from" in line for line in failures)


def test_pretraining_marks_the_recordings_of_a_manifest(tmp_path: Path) -> None:
    settings = PretrainSettings.of(
        epochs=1, batch=16, validation_share=0.2, threads=1, leads=("I",), preprocessing=AT_100_HZ
    )
    data = table(tmp_path / "data", ecgs(1))
    result = pretrain_table(
        data, tmp_path / "run", model="net1d-tiny", settings=settings,
        task=pretraining_task(("late",), kind="multilabel"),
    )  # fmt: skip
    assert result.bundle is not None
    learned = fingerprints_of_bundle(load_bundle(result.bundle))
    assert learned is not None
    assert set(learned.tolist()) == set(windows_fingerprints(ecgs(1), RATE, ("I",)))


def test_windows_without_known_recordings_stand_for_themselves() -> None:
    signal = ecgs(3)
    source = ArraySource(signal, RATE, ("I",), np.zeros((COUNT, 1)), ["p"] * COUNT)
    marks = windows_fingerprints(signal, RATE, ("I",))
    pool = SourcePool((source,))
    assert pool.fingerprints(np.array([3, 7, 3])) == {marks[3], marks[7]}


def test_sentences() -> None:
    known = Lineage({1}, np.array([0xFFFF_FFFF], np.uint64), [0xFFFF_FFFF, 0, None, 2**63])
    assert known.warnings == (
        "1 of the 4 test records trained the model that it started from: the test figures are "
        "too good.",
        "2 of the 4 test records are nearly the same signals as records that trained or "
        "validated: the test figures are too good.",
    )  # 0 and 2^63 differ from 1 in one and two bits
    assert known.learned_from == {1, 0xFFFF_FFFF} and known.limits == known.warnings
    assert len(Lineage({1}, None, [2**40 - 1]).limits) == 1
