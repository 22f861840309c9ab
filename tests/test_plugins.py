"""One package adds one thing of every kind, without a line in ``src``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ecgfoundry.datasets import DATASETS
from ecgfoundry.formats.registry import READERS
from ecgfoundry.models.registry import ARCHITECTURES
from ecgfoundry.preprocessing import PREPROCESSINGS
from ecgfoundry.registry import Registry
from ecgfoundry.streams.sources import SOURCES, open_source
from ecgfoundry.synthesis.ecg import BeatShape, Noise, Rhythm, simulate_ecg
from ecgfoundry.vocabularies import VOCABULARIES, load_vocabulary

PACKAGE = "ecgfoundry-plugin 1.0"


def added(registry: Registry[object]) -> list[str]:
    return [name for name in registry if registry.origin(name) == PACKAGE]


def test_every_registry_has_what_the_package_adds() -> None:
    assert added(PREPROCESSINGS) == ["plugin-linear@3", "plugin-polyphase@1"]
    assert added(READERS) == ["plugin-ramp"]
    assert added(ARCHITECTURES) == ["plugin-net"]
    assert added(DATASETS) == ["plugin-set"]
    assert added(VOCABULARIES) == ["plugin-rhythms"]
    assert load_vocabulary("plugin-rhythms").names == ("calm", "hurried")
    assert added(SOURCES) == ["plugin-steps"]
    with open_source("plugin-steps://") as source:
        assert [frame.start for frame in source.frames] == [0, 5, 10]


def _sinus(seed: int) -> np.ndarray:
    """Ten seconds of lead I at 100 Hz."""
    return simulate_ecg(
        Rhythm(rate=70.0),
        BeatShape(),
        Noise(),
        duration_s=10.0,
        sampling_rate=100.0,
        generator=np.random.default_rng(seed),
    )[np.newaxis]


def test_its_recipe_trains_its_network_with_its_augmentation(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from ecgfoundry.inference.predictor import load_model
    from ecgfoundry.training.data.augmentations import AUGMENTATIONS
    from ecgfoundry.training.recipes.registry import RECIPES

    assert added(AUGMENTATIONS) == ["plugin-quieter"] and added(RECIPES) == ["plugin_finetune"]
    np.save(tmp_path / "x.npy", np.stack([_sinus(number) for number in range(40)]))
    (tmp_path / "x.json").write_text('{"leads": ["I"], "sampling_rate": 100, "unit": "mV"}')
    rows = [f"r{k},x.npy,{k},p{k},{k % 2}" for k in range(40)]
    table = tmp_path / "m.csv"
    table.write_text("\n".join(["record,path,index,patient,target:A", *rows]) + "\n")
    result = RECIPES["plugin_finetune"].run(table, tmp_path / "run")
    predictor = load_model(result.bundle)
    assert predictor.bundle.document["architecture"]["name"] == "plugin-net"
    assert predictor.logits(np.zeros((2, 1, 6000), np.float32)).shape == (2, 1)
