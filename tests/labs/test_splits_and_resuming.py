"""The official splits reach training and report; a run that is killed ends with the same bytes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pl = pytest.importorskip("polars")

from ecgfoundry.corpus import build_corpus, open_corpus  # noqa: E402
from ecgfoundry.corpus.standardized import Input, build_cache  # noqa: E402
from ecgfoundry.datasets.mc_med import open_mc_med  # noqa: E402
from ecgfoundry.labs.training import LABORATORY_CARD, LaboratorySettings, labs_mcmed  # noqa: E402
from ecgfoundry.labs.training_data import open_laboratory  # noqa: E402
from ecgfoundry.models.bundle import load_bundle  # noqa: E402
from ecgfoundry.preprocessing import get_preprocessing  # noqa: E402

RECIPE = "ptbxl-bandpass@1"
SETTINGS = LaboratorySettings.of(
    split="chrono", window_minutes=None, minimum_patients=1, epochs=2, batch=8, threads=1,
    segments_per_visit=1, checkpoint_every=1,
)  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthetic MC-MED and its corpus, built with the random split."""
    from ecgfoundry.cli.main import main

    root = tmp_path_factory.mktemp("splits")
    with pytest.raises(SystemExit) as ended:
        main(["synth", "mc-med", "--visits", "40", "--minutes", "0.4", "--train-share", "0.5",
              "--test-share", "0.3", "--oracle-draws", "0", "--seed", "5",
              "--output", str(root / "data")])  # fmt: skip
    assert not ended.value.code
    data = open_mc_med(root / "data", labs=False)
    build_corpus(data.manifest(), root / "corpus", provenance=data.report())
    return root


def official(data: Path, kind: str, split: str) -> set[str]:
    return set((data / "data" / f"split_{kind}_{split}.csv").read_text().split())


def test_labels_are_split_as_the_named_files_say(made: Path) -> None:
    """The corpus was built with the random split; the chronological one replaces it."""
    for kind in ("random", "chrono"):
        found = open_laboratory(
            made / "corpus", made / "data", split=kind, window_minutes=None, minimum_patients=1
        )
        assert found.split_kind == kind
        visits = found.corpus.index["visit"].to_numpy()
        for name, file in (("train", "train"), ("validation", "val"), ("test", "test")):
            own = set(visits[found.splits == name])
            assert own and own <= official(made / "data", kind, file)
    chrono, random = official(made / "data", "chrono", "test"), official(
        made / "data", "random", "test"
    )  # fmt: skip
    assert chrono != random
    # Later: the first test visit comes after the median training visit.
    times = dict(
        pl.read_csv(made / "data" / "data" / "visits.csv", infer_schema=False)
        .select("CSN", "Arrival_time")
        .iter_rows()
    )
    train = sorted(times[v] for v in official(made / "data", "chrono", "train") if v in times)
    test = sorted(times[v] for v in chrono if v in times)
    assert test[0] > train[len(train) // 2]


def run(made: Path, output: Path, settings: LaboratorySettings = SETTINGS):
    return labs_mcmed(
        made / "corpus", output, tables=made / "data", model="net1d-tiny", preprocessing=RECIPE,
        settings=settings, card=replace(LABORATORY_CARD, name="run"),
    )  # fmt: skip


class Enough(Exception):  # noqa: N818
    """Raised by the listener of a run after its first epoch."""


def first_epoch(line: str) -> None:
    if line.startswith("epoch 1:"):
        raise Enough


@pytest.mark.parametrize(
    ("model", "rate"), [("net1d-tiny", 1e-3), ("rhythm-single-lead-edge", 3e-4)]
)
def test_fresh_weights_learn_at_1e_3_and_trained_ones_at_3e_4(
    made: Path, tmp_path: Path, model: str, rate: float
) -> None:
    import torch

    with pytest.raises(Enough):
        labs_mcmed(
            made / "corpus", tmp_path, tables=made / "data", model=model,
            preprocessing=RECIPE if model == "net1d-tiny" else None,
            settings=SETTINGS.change(epochs=7, seed=2), say=first_epoch,
        )  # fmt: skip
    found = torch.load(tmp_path / "last.checkpoint", weights_only=True)["settings"]
    expected = {
        "learning_rate": rate, "epochs": 7, "schedule": "cosine", "warmup": 0.05, "seed": 2,
        "gradient_clip": 1.0, "weight_decay": 0.01, "ema_decay": 0.99, "patience": 3,
        "monitor": "macro_auroc", "monitor_mode": "max", "checkpoint_every": 1,
    }  # fmt: skip
    assert {name: found[name] for name in expected} == expected


@pytest.mark.slow
def test_chronological_training_and_report(made: Path, tmp_path: Path) -> None:
    from ecgfoundry.labs.evaluation import laboratory_report
    from ecgfoundry.labs.settings import LaboratoryReportSettings

    result = run(made, tmp_path / "run")
    document = load_bundle(result.bundle).document
    assert json.loads((tmp_path / "run" / "data.json").read_text())["split"] == "chrono"
    assert "official chrono split" in document["provenance"]["training_data"][0]["use"]
    assert result.metrics and all("(chrono)" in metric.data for metric in result.metrics)
    rows = laboratory_report(
        result.bundle, made / "corpus", made / "data", tmp_path / "report",
        targets=result.targets[:1],
        settings=LaboratoryReportSettings.of(
            split="chrono", window_minutes=None, segments_per_visit=1, draws=20
        ),
    )  # fmt: skip
    assert rows and (tmp_path / "report" / "report.html").is_file()
    tested = official(made / "data", "chrono", "test")
    assert 0 < max(row.found.n for row in rows if row.level == "visit") <= len(tested)


DRIVER = """
    import os, signal, sys
    from pathlib import Path
    from ecgfoundry.tasks import losses
    from tests.labs import test_splits_and_resuming as own

    original, calls = losses.binary_cross_entropy, 0

    def dying(*arguments):
        global calls
        calls += 1
        if calls == int(sys.argv[3]):
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments)

    losses.binary_cross_entropy = dying
    own.run(Path(sys.argv[1]), Path(sys.argv[2]))
"""


@pytest.mark.slow
def test_killed_in_the_middle_it_ends_with_the_same_bundle(made: Path, tmp_path: Path) -> None:
    """SIGKILL twice, once in each epoch; and a cache of the recipe changes no bit either."""
    whole = run(made, tmp_path / "whole").bundle
    for at in (3, 4):
        killed = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(DRIVER), str(made), str(tmp_path / "killed"),
             str(at)],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            timeout=300,
        )  # fmt: skip
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert not (tmp_path / "killed" / "bundle").exists()
    corpus = open_corpus(made / "corpus")
    assert build_cache(corpus, Input(get_preprocessing(RECIPE), ("II",), upright=True)) > 0
    continued = run(made, tmp_path / "killed").bundle
    curves = [(tmp_path / n / "curves.jsonl").read_text().splitlines() for n in ("whole", "killed")]
    for expected, found in zip(*curves, strict=True):
        a, b = json.loads(expected), json.loads(found)
        assert {k: a[k] for k in ("epoch", "loss")} == {k: b[k] for k in ("epoch", "loss")}
    for name in ("model.safetensors", "model.onnx"):
        assert (continued / name).read_bytes() == (whole / name).read_bytes(), name
    figures = [load_bundle(b).document["metrics"] for b in (whole, continued)]
    assert figures[0] == figures[1]
    assert np.isfinite([m["value"] for m in figures[0]]).all()


@pytest.mark.slow
def test_two_processes_train_as_one_does(made: Path, tmp_path: Path) -> None:
    launcher = [
        sys.executable, "-m", "torch.distributed.run",
        "--standalone", "--nproc-per-node", "2", "-m",
    ]  # fmt: skip
    curves = []
    for name, start in (("alone", [sys.executable, "-m"]), ("both", launcher)):
        subprocess.run(
            [*start, "ecgfoundry", "labs", "train", str(made / "corpus"),
             "--tables", str(made / "data"), "--output", str(tmp_path / name),
             "--model", "net1d-tiny", "--preprocessing", RECIPE, "--window-minutes", "none",
             "--minimum-patients", "2", "--epochs", "1", "--batch", "4", "--threads", "1",
             "--segments-per-visit", "1", "--augment", "none"],
            check=True, timeout=400,
            env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        )  # fmt: skip
        curves.append(json.loads((tmp_path / name / "curves.jsonl").read_text())["loss"])
        assert (tmp_path / name / "bundle" / "bundle.json").is_file()
    # A loss is a mean over the known labels of a process's own half of a batch.
    assert curves[1] == pytest.approx(curves[0], rel=0.02)
