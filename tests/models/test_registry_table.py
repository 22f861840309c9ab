"""The registered architectures, field by field."""

from __future__ import annotations

import pytest

from ecgfoundry.errors import ModelNotFoundError
from ecgfoundry.models.registry import (
    ARCHITECTURES,
    Architecture,
    available_architectures,
    create_model,
    register_network,
)

NET1D = ("ecgfoundry.models.networks.net1d", "Net1D")
S4 = ("ecgfoundry.models.networks.s4", "S4Net")

# Example shape (leads, samples): ECGFounder takes 10 s at 500 Hz; the PTB-XL benchmark of S4 10 s
# at 100 Hz; rhythm 30 s at 200 Hz; the lead subsets 10 s at 250 Hz.
TABLE = {
    "net1d": (*NET1D, (12, 5000), {"leads": 12}),
    "net1d-12lead": (*NET1D, (12, 5000), {"leads": 12}),
    "net1d-1lead": (*NET1D, (1, 5000), {"leads": 1}),
    # The widths of both smaller ones are named in the authors' code.
    "net1d-small": (
        *NET1D, (12, 5000), {"leads": 12, "widths": (32, 64, 64, 160, 160, 512, 512)},
    ),
    "net1d-tiny": (
        *NET1D, (12, 5000),
        {"leads": 12, "widths": (16, 32, 32, 80, 80, 256, 256), "blocks": (2, 2, 2, 2, 2, 2, 2)},
    ),
    "net1d-attention": (
        "ecgfoundry.models.networks.segment_attention", "SegmentAttentionNet", (1, 5000), {},
    ),
    "rhythm-net": ("ecgfoundry.models.networks.rhythm", "RhythmNet", (1, 6000), {}),
    "s4": (*S4, (12, 1000), {"leads": 12}),
    "s4-small": (*S4, (12, 1000), {"leads": 12, "width": 128}),
    # Contrastive predictive coding needs a network that sees no future.
    "s4-causal": (*S4, (12, 1000), {"leads": 12, "bidirectional": False}),
    "s4-small-causal": (*S4, (12, 1000), {"leads": 12, "width": 128, "bidirectional": False}),
    # The inference notebook of ECG-FM: 5 s at 500 Hz.
    "ecg-fm": ("ecgfoundry.models.networks.ecg_fm", "EcgFm", (12, 2500), {"leads": 12}),
    # The configuration of ECG-CPC: 240 Hz; four of its pieces of 2.5 s.
    "ecg-cpc": ("ecgfoundry.models.networks.ecg_cpc", "EcgCpc", (12, 2400), {"leads": 12}),
    "lead-subset-net": (
        "ecgfoundry.models.networks.lead_subset", "LeadSubsetNet", (12, 2500), {},
    ),
}  # fmt: skip


def test_the_names_and_their_order() -> None:
    names = available_architectures()
    assert [n for n in names if ARCHITECTURES.origin(n) == "ecgfoundry"] == list(TABLE)


@pytest.mark.parametrize("name", TABLE)
def test_an_architecture(name: str) -> None:
    found = ARCHITECTURES[name]
    assert (found.module, found.network, found.example_shape, dict(found.defaults)) == TABLE[name]
    assert found.takes_presence is (name == "lead-subset-net")
    assert found.masks_padding is (name == "rhythm-net")
    assert found.pooling == ("attention" if name == "net1d-attention" else "mean")


def test_the_defaults_of_a_new_architecture() -> None:
    plain = Architecture("a", "m", "n", "d", takes_presence=False, example_shape=(1, 2))
    assert (plain.pooling, plain.masks_padding, dict(plain.defaults)) == ("mean", False, {})
    # Settings do not make it unhashable.
    assert len({plain, *ARCHITECTURES.values()}) == 1 + len(ARCHITECTURES)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ModelNotFoundError, match=r"no architecture 'net2d'.*net1d, net1d-12lead"):
        create_model("net2d")


def test_a_fault_of_a_module_is_not_taken_for_a_missing_torch() -> None:
    wrong = Architecture("a", "ecgfoundry.nowhere", "n", "d", False, (1, 2))
    with pytest.raises(ModuleNotFoundError, match="nowhere"):
        wrong.build()


def test_a_class_is_registered_and_built() -> None:
    torch = pytest.importorskip("torch")

    class Small(torch.nn.Linear):  # type: ignore[misc]
        """A linear layer."""

        def __init__(self, classes: int, leads: int = 12) -> None:
            super().__init__(leads, classes)

    try:
        decorated = register_network("small-for-a-test", example_shape=(3, 500), leads=3)(Small)
        assert decorated is Small
        built = create_model("small-for-a-test", classes=2)
        assert (built.in_features, built.out_features) == (3, 2)
        assert ARCHITECTURES["small-for-a-test"].description == "A linear layer."
        with pytest.raises(ModelNotFoundError, match="duplicate architecture 'small-for-a-test'"):
            register_network("small-for-a-test", example_shape=(3, 500))(Small)
    finally:
        del ARCHITECTURES._entries["small-for-a-test"]
