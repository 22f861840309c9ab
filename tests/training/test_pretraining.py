"""Pretraining: kills, many processes, positions, and the bundle at the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ecgfoundry.errors import LeadError, TrainingError  # noqa: E402
from ecgfoundry.models.bundle import load_bundle  # noqa: E402
from ecgfoundry.training.data.batches import WindowBatches  # noqa: E402
from ecgfoundry.training.data.pools import validation_positions  # noqa: E402
from ecgfoundry.training.data.sources import SourcePool  # noqa: E402
from ecgfoundry.training.data.windows import FreshWindows  # noqa: E402
from ecgfoundry.training.distributed import World  # noqa: E402
from ecgfoundry.training.initialization import NewNetwork  # noqa: E402
from ecgfoundry.training.pretraining import PretrainSettings, pretrain  # noqa: E402
from tests.training.small_pretraining import NETWORK, SPEC, TASK, beats  # noqa: E402

PROGRAM = [sys.executable, "-m", "tests.training.small_pretraining"]
ROOT = Path(__file__).resolve().parents[2]


def environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


class Numbered:
    """Windows that hold their own number."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def get(
        self, positions: np.ndarray, generator: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        signal = np.repeat(positions.astype(np.float32)[:, None, None], 4, axis=2)
        return signal, np.ones((len(positions), 1), np.float32)


def numbered(count: int, *, batch: int, world: World, **more: int) -> WindowBatches:
    return WindowBatches(
        windows=Numbered(count), positions=np.arange(count),
        targets=np.zeros((count, 1), np.float32), batch=batch, sampling_rate=100.0,
        world=world, **more,
    )  # fmt: skip


@pytest.mark.parametrize("count", [64, 67, 101, 128])
@pytest.mark.parametrize("processes", [1, 2, 3])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_no_window_twice_or_never(count: int, processes: int, accumulate: int) -> None:
    seen: list[float] = []
    lengths = set()
    for rank in range(processes):
        feed = numbered(count, batch=4, world=World(rank, processes), accumulate=accumulate, seed=5)
        batches = list(feed.from_batch(2, 0))
        lengths.add(len(batches))
        assert len(batches) == feed.steps * accumulate
        seen += [float(x[0, 0]) for inputs, _ in batches for x in inputs]
    assert sorted(seen) == list(range(count))
    assert len(lengths) == 1  # or a process would wait for ever


def test_two_processes_see_together_what_one_with_twice_the_batch_sees() -> None:
    alone = list(numbered(64, batch=8, world=World()).from_batch(1, 0))
    parts = [list(numbered(64, batch=4, world=World(r, 2)).from_batch(1, 0)) for r in range(2)]
    for number, (inputs, _) in enumerate(alone):
        both = torch.cat([part[number][0] for part in parts])
        assert torch.equal(both, inputs)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_epoch_can_be_entered_anywhere(workers: int) -> None:
    source = beats(24)
    feed = WindowBatches(
        windows=FreshWindows(SourcePool((source,)), SPEC, 0.5), positions=np.arange(24),
        targets=source.values.astype(np.float32), batch=4, sampling_rate=250.0,
        augmentations=("shift", "noise", "masking"), seed=1, workers=workers,
    )  # fmt: skip
    whole = list(feed.from_batch(0, 0))
    later = list(feed.from_batch(0, 4))
    assert len(whole) == 6 and len(later) == 2
    for (a, ya), (b, yb) in zip(whole[4:], later, strict=True):
        assert torch.equal(a, b) and torch.equal(ya, yb)
    assert not torch.equal(whole[0][0], next(iter(feed.from_batch(1, 0)))[0])


def test_validation_patients_do_not_change_when_the_corpus_grows() -> None:
    few = [f"p{k}" for k in range(200)]
    many = [f"p{k}" for k in range(400)]
    assert (validation_positions(many, 0.1, 7)[:200] == validation_positions(few, 0.1, 7)).all()
    assert 15 <= validation_positions(many, 0.1, 7).sum() <= 70
    twice = validation_positions(["a", "b"] * 50, 0.5, 0).reshape(50, 2)
    assert (twice == twice[0]).all()


def test_it_learns_and_ends_as_a_bundle(tmp_path: Path) -> None:
    settings = PretrainSettings.of(
        epochs=5, batch=16, learning_rate=5e-3, schedule="cosine", patience=None,
        validation_share=0.3, lead_replacement=0.5, threads=1, augmentations=("scale",),
    )  # fmt: skip
    result = pretrain(
        [beats(80), beats(40, seed=9)], tmp_path, settings=settings, task=TASK,
        network=NewNetwork("net1d-tiny", SPEC, NETWORK),
    )  # fmt: skip
    assert result.fit.curves[-1]["loss"] < 0.8 * result.fit.curves[0]["loss"]
    assert result.bundle is not None
    bundle = load_bundle(result.bundle)
    assert bundle.vocabulary.names == ("fast", "large")
    for name in ("configuration.json", "environment.json", "data.json", "curves.jsonl"):
        assert (tmp_path / name).is_file()
    assert list((tmp_path / "tensorboard").iterdir())


def test_ones_own_network_is_pretrained(tmp_path: Path) -> None:
    encoder = torch.nn.Sequential(torch.nn.Conv1d(1, 8, 15, stride=5), torch.nn.ReLU())
    settings = PretrainSettings.of(epochs=1, batch=16, validation_share=0.3, threads=1)
    result = pretrain(
        [beats(40)], tmp_path, network=NewNetwork(encoder, SPEC), task=TASK, settings=settings
    )
    assert result.bundle is not None
    bundle = load_bundle(result.bundle)
    assert bundle.document["architecture"]["name"] == "own"
    assert bundle.vocabulary.names == ("fast", "large")
    assert "The network Sequential as it was given" in (result.bundle / "README.md").read_text()


def test_wrong_runs_are_named(tmp_path: Path) -> None:
    def run(**changes: object) -> None:
        settings = PretrainSettings.of(**{"epochs": 1, "batch": 8} | changes)
        pretrain(
            [beats(8, leads=1)], tmp_path / str(changes), settings=settings, task=TASK,
            network=NewNetwork("net1d-tiny", SPEC, NETWORK),
        )  # fmt: skip

    with pytest.raises(LeadError, match="needs I and II"):
        run(lead_replacement=0.5)
    with pytest.raises(TrainingError, match="cannot be divided"):
        run(accumulate=3, validation_share=0.5)
    with pytest.raises(TrainingError, match="validate"):
        run(validation_share=0.0)
    with pytest.raises(TrainingError, match="no schedule 'sawtooth'"):
        run(schedule="sawtooth", validation_share=0.5)


@pytest.mark.slow
def test_killed_and_continued_gives_the_same_bits(tmp_path: Path) -> None:
    """Killed before its third checkpoint has its name, then after the fourth of what is left."""
    arguments = ["24", "3", "120"]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    subprocess.run(
        [*PROGRAM, str(whole), *arguments], check=True, cwd=ROOT, env=environment(), timeout=900
    )
    for dies, code in (("before 3", -signal.SIGKILL), ("after 4", -signal.SIGKILL), ("", 0)):
        ended = subprocess.run(
            [*PROGRAM, str(broken), *arguments], cwd=ROOT, env=environment() | {"DIES": dies},
            stderr=subprocess.DEVNULL, timeout=900,
        )  # fmt: skip
        assert ended.returncode == code, dies
    for name in ("model.safetensors", "losses.json"):
        assert (whole / name).read_bytes() == (broken / name).read_bytes(), name
    states = [
        torch.load(folder / "last.checkpoint", weights_only=True) for folder in (whole, broken)
    ]
    for part in ("network", "best_state"):
        assert all(
            torch.equal(states[0][part][name], states[1][part][name]) for name in states[0][part]
        )


@pytest.mark.slow
def test_two_processes_follow_the_curve_of_one(tmp_path: Path) -> None:
    alone, both = tmp_path / "alone", tmp_path / "both"
    # 128 windows at 0.15 leave a multiple of 16 for training or not; the curves must agree anyway.
    arguments = ["16", "3", "128"]
    subprocess.run(
        [*PROGRAM, str(alone), *arguments], check=True, cwd=ROOT, env=environment(), timeout=900
    )
    launcher = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
        "-m", "tests.training.small_pretraining",
    ]  # fmt: skip
    subprocess.run(
        [*launcher, str(both), *arguments], check=True, cwd=ROOT, env=environment(), timeout=900
    )
    one, two = (json.loads((folder / "losses.json").read_text()) for folder in (alone, both))
    # Stated tolerance: 2 % of each epoch's mean loss. Sums are taken in another order, and the
    # batches of an uneven last piece differ by one window.
    assert two == pytest.approx(one, rel=0.02)
    assert (both / "bundle" / "bundle.json").is_file()
